"""Some records of a file as a new one: chosen by class, name, number, quality or lot; and files cut into parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inrformat.container.reader import InrdReader
from inrformat.container.targets import LABEL_FIELD, NAME_FIELD
from inrformat.errors import OutputExistsError, UsageError
from inrformat.families.codebook import Codebook
from inrformat.files.copying import Part, copy_records

__all__ = ["Choice", "split", "subset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which records; each condition that is not None has to hold.

    Attributes:
        classes: names of classes. names: of images. numbers: of records, from 0 on, negative ones from the end.
        min_psnr_db: at least. sample: so many of the rest, drawn with ``seed``.
    """

    classes: Sequence[str] | None = None
    names: Sequence[str] | None = None
    numbers: Sequence[int] | slice | None = None
    min_psnr_db: float | None = None
    sample: int | None = None
    seed: int = 0

    def rows(self, reader: InrdReader) -> NDArray[np.int64]:
        """The records' numbers in their order in the file.

        Raises:
            UsageError: a class, name or number is not there, or nothing is left.
        """
        kept = np.ones(len(reader), np.bool_)
        if self.classes is not None:
            kept &= np.isin(_labels(reader), _class_numbers(reader, self.classes))
        if self.names is not None:
            kept &= _named(reader, self.names)
        if self.numbers is not None:
            kept &= _numbered(reader, self.numbers)
        if self.min_psnr_db is not None:
            if reader.index.psnr_db is None:
                raise UsageError(f"{reader.path}: it does not say what PSNR its records have")
            kept &= reader.index.psnr_db >= self.min_psnr_db
        rows = np.flatnonzero(kept)
        if self.sample is not None:
            if self.sample > len(rows):
                raise UsageError(f"{reader.path}: a sample of {self.sample} out of {len(rows)} images")
            rows = np.sort(np.random.default_rng(self.seed).permutation(rows)[: self.sample])
        if not len(rows):
            raise UsageError(f"{reader.path}: no image is left")
        return rows


def subset(file: str | os.PathLike[str], output: str | os.PathLike[str], choice: Choice) -> int:
    """Write a file of some records of another; returns how many.

    Raises:
        OutputExistsError: ``output`` exists. UsageError: as in `Choice`.
    """
    with InrdReader(file) as reader:
        rows = choice.rows(reader)
        _write(reader, rows, output)
        return len(rows)


def split(
    file: str | os.PathLike[str],
    folder: Path,
    *,
    shares: Mapping[str, float],
    stratified: bool = False,
    seed: int | None = None,
    on_records: Callable[[int], None] = lambda _count: None,
) -> dict[str, int]:
    """Cut a file into parts ``folder/NAME.inrd`` of those shares of its images.

    Args:
        stratified: every class in those shares. seed: of the order in which images are dealt; None: as they lie.

    Returns:
        How many images each part has.

    Raises:
        OutputExistsError: a part exists; nothing was written. UsageError: a part would be empty, or shares are none.
    """
    if not shares or min(shares.values()) <= 0 or sum(shares.values()) > 1 + 1e-9:
        raise UsageError(f"shares {dict(shares)}: expected numbers above 0 that sum up to 1 at most")
    with InrdReader(file) as reader:
        groups = [np.arange(len(reader))]
        if stratified:
            labels = _labels(reader)
            groups = [np.flatnonzero(labels == number) for number in np.unique(labels)]
        if seed is not None:
            generator = np.random.default_rng(seed)
            groups = [generator.permutation(group) for group in groups]
        bounds = np.cumsum([0, *shares.values()])
        parts = {
            name: np.sort(np.concatenate([group[_at(low, group) : _at(high, group)] for group in groups]))
            for name, low, high in zip(shares, bounds[:-1], bounds[1:], strict=True)
        }
        if empty := [name for name, rows in parts.items() if not len(rows)]:
            raise UsageError(f"{reader.path}: part {empty[0]!r} would be empty")
        folder.mkdir(parents=True, exist_ok=True)
        paths = {name: folder / f"{name}.inrd" for name in parts}
        for path in paths.values():
            _refuse_existing(path)
        for name, rows in parts.items():
            _write(reader, rows, paths[name], on_records=on_records)
        return {name: len(rows) for name, rows in parts.items()}


def _at(share: float, group: NDArray[np.int64]) -> int:
    return round(share * len(group))


def _refuse_existing(path: Path) -> None:
    if path.exists():
        raise OutputExistsError(f"{path} exists: remove it first or choose another folder")


def _write(
    reader: InrdReader,
    rows: NDArray[np.int64],
    output: str | os.PathLike[str],
    *,
    on_records: Callable[[int], None] = lambda _count: None,
) -> None:
    """The records ``rows``, all classes kept; moments of channels are of all images, and are left out."""
    networks = range(len(Codebook.from_map(reader.codebook).networks))
    part = Part(reader=reader, rows=rows, networks=networks, classes=range(len(reader.metadata.classes)))
    metadata = reader.metadata
    if len(rows) < len(reader):
        metadata = replace(metadata, channel_mean=(), channel_std=())
    copy_records(
        [part],
        output,
        columns=reader.metadata.fields,
        codebook=reader.codebook,
        metadata=metadata,
        on_records=on_records,
    )


def _labels(reader: InrdReader) -> NDArray[np.int64]:
    column = reader.field(LABEL_FIELD)
    if column is None:
        raise UsageError(f"{reader.path}: its images have no classes")
    return np.asarray(column)


def _class_numbers(reader: InrdReader, names: Sequence[str]) -> list[int]:
    known = {name: number for number, name in enumerate(reader.metadata.classes)}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{reader.path}: no class {unknown[0]!r} among {', '.join(list(known)[:20])}")
    return [known[name] for name in names]


def _named(reader: InrdReader, names: Sequence[str]) -> NDArray[np.bool_]:
    stored = reader.text_field(NAME_FIELD)
    places = {name: row for row, name in enumerate(stored or ())}
    if unknown := [name for name in names if name not in places]:
        raise UsageError(f"{reader.path}: no image named {unknown[0]!r}")
    return np.isin(np.arange(len(reader)), [places[name] for name in names])


def _numbered(reader: InrdReader, numbers: Sequence[int] | slice) -> NDArray[np.bool_]:
    count = len(reader)
    if isinstance(numbers, slice):
        return np.isin(np.arange(count), np.arange(count)[numbers])
    if beyond := [n for n in numbers if not -count <= n < count]:
        raise UsageError(f"{reader.path}: no image {beyond[0]} of {count}")
    return np.isin(np.arange(count), [n % count for n in numbers])
