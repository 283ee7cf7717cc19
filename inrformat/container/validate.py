"""Checks a whole file: structure, checksums, padding, fields and targets. Images are not decoded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from inrformat.container.checksum import crc32c
from inrformat.container.layout import SectionKind
from inrformat.container.limits import DEFAULT_LIMITS, Limits
from inrformat.container.reader import InrdReader
from inrformat.container.rules import RULES, Severity
from inrformat.container.targets import TARGET_TYPES, checked_column, mask_faults
from inrformat.errors import InvalidFileError
from inrformat.storage.opening import size_of

__all__ = ["Finding", "Report", "validate_file"]

_WINDOW_BYTES = 1 << 24


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold, and where."""

    rule: str
    detail: str
    offset_bytes: int | None = None

    @property
    def severity(self) -> Severity:
        """That of its rule; the rules of network families, which this layer does not know, are all errors."""
        return RULES[self.rule].severity if self.rule in RULES else Severity.ERROR

    def __str__(self) -> str:
        place = "" if self.offset_bytes is None else f" at byte {self.offset_bytes}"
        return f"{self.severity}: {self.detail}{place} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything found wrong with a file, in the order of discovery; at most ``max_findings`` of each rule."""

    path: str
    file_bytes: int
    records: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not any(f.severity is Severity.ERROR for f in self.findings)


def validate_file(
    path: str | os.PathLike[str],
    *,
    check_codebook: Callable[[InrdReader], None],
    limits: Limits = DEFAULT_LIMITS,
    max_findings: int = 10,
    on_bytes: Callable[[int], None] = lambda _count: None,
) -> Report:
    """Check a file and report every rule it breaks.

    Args:
        check_codebook: interprets the codebook (a layer above this one) and raises what is wrong with it.
        max_findings: of each rule.
        on_bytes: called with the payload bytes checked since its last call.

    Raises:
        UnsupportedVersionError: the file cannot be judged by this version. OSError: it cannot be read.
    """
    size = size_of(path)
    try:
        reader = InrdReader(path, limits=limits)
    except InvalidFileError as error:
        return Report(os.fspath(path), size, 0, (_finding(error),))
    with reader:
        findings: list[Finding] = []
        counts: dict[str, int] = {}
        for finding in _check(reader, check_codebook, on_bytes):
            counts[finding.rule] = counts.get(finding.rule, 0) + 1
            if counts[finding.rule] <= max_findings:
                findings.append(finding)
        return Report(os.fspath(path), size, len(reader), tuple(findings))


def _finding(error: InvalidFileError) -> Finding:
    return Finding(error.rule, error.detail, error.offset_bytes)


def _check(
    reader: InrdReader, check_codebook: Callable[[InrdReader], None], on_bytes: Callable[[int], None]
) -> Iterator[Finding]:
    try:
        check_codebook(reader)
    except InvalidFileError as error:
        yield _finding(error)
    yield from _check_fields(reader)
    yield from _check_section_padding(reader)
    yield from _check_payload(reader, on_bytes)
    if reader.index.psnr_db is None:
        yield Finding("PSNR-STORED", "the index stores no PSNR")


def _check_fields(reader: InrdReader) -> Iterator[Finding]:
    faults = []
    for name in reader.field_names:
        try:
            checked_column(reader, name) if name in TARGET_TYPES else reader.field(name)
        except InvalidFileError as error:
            faults.append(error)
    yield from map(_finding, faults or mask_faults(reader))


def _check_section_padding(reader: InrdReader) -> Iterator[Finding]:
    end = reader.header.sections_start_bytes
    for section in reader.header.sections:
        if any(reader.read_at(end, section.offset_bytes - end)):
            yield Finding("RESERVED-ZERO", f"padding before section {section.kind.decode('latin-1')} is not zero", end)
        end = section.end_bytes


def _check_payload(reader: InrdReader, on_bytes: Callable[[int], None]) -> Iterator[Finding]:
    section, index = reader.header.section(SectionKind.PAYLOAD), reader.index
    starts, lengths = index.offsets_bytes, index.lengths_bytes
    payload_crc, first = 0, 0
    while first < len(index):
        # Whole records, as many as fit the window but at least one.
        last = max(int(np.searchsorted(starts, starts[first] + _WINDOW_BYTES, side="right")) - 1, first + 1)
        end = int(starts[last]) if last < len(index) else section.stored_bytes
        base = int(starts[first])
        window = reader.read_at(section.offset_bytes + base, end - base)
        payload_crc = crc32c(window, payload_crc)
        places = [
            (int(s) - base, int(s + n) - base) for s, n in zip(starts[first:last], lengths[first:last], strict=True)
        ]
        view = memoryview(window)
        stops = [s for s, _ in places[1:]] + [end - base]
        for k, ((start, stop), padded) in enumerate(zip(places, stops, strict=True), first):
            at, crc = section.offset_bytes + base + start, crc32c(view[start:stop])
            if crc != index.crcs[k]:
                yield Finding("RECORD-CRC", f"record {k}: CRC-32C is {crc:08x}, stored {index.crcs[k]:08x}", at)
            if any(view[stop:padded]):
                yield Finding("RESERVED-ZERO", f"padding behind record {k} is not zero", at)
        on_bytes(len(window))
        first = last
    if payload_crc != section.crc32c:
        yield Finding(
            "SECTION-CRC",
            f"section PYLD: CRC-32C is {payload_crc:08x}, stored {section.crc32c:08x}",
            section.offset_bytes,
        )
