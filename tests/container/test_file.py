"""The writer and the reader against each other, and the reader against damaged files."""

import errno
import os
import pickle
import struct

import numpy as np
import pytest

from inrformat.container.checksum import crc32c
from inrformat.container.fields import FieldType
from inrformat.container.layout import HEADER_BYTES, HEADER_CRC_OFFSET, SECTION, SectionKind
from inrformat.container.limits import Limits
from inrformat.container.metadata import Metadata
from inrformat.container.reader import InrdReader
from inrformat.container.rules import RULES
from inrformat.container.validate import validate_file
from inrformat.container.writer import Checkpoint, InrdWriter
from inrformat.errors import (
    ChecksumError,
    InrdError,
    InvalidFileError,
    LimitError,
    NotInrdError,
    OutputExistsError,
    TruncatedFileError,
    UnsupportedVersionError,
)
from inrformat.storage import local as local_module

RECORDS = [bytes([k]) * (8 + 2 * k) for k in range(7)]


def write(path, *, alignment=4):
    with InrdWriter(path, record_alignment=alignment) as writer:
        for k, record in enumerate(RECORDS):
            writer.add(record, height=32 + k, width=16, network=0, psnr_db=30 + k)
        writer.add_field("label", FieldType.INT64, np.arange(7) % 2)
        writer.add_field("name", FieldType.UTF8, [f"é{k}" for k in range(7)])
        writer.finish(codebook={"tables": [], "networks": []}, metadata=Metadata(classes=("a", "b")))
    return path


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "x.inrd")


def validate(path):
    return validate_file(path, check_codebook=lambda _reader: None)


def patched(path, offset, data, *, fix_header=False):
    """Overwrite bytes in place; ``fix_header`` recomputes the header's checksum, as an attacker would."""
    content = bytearray(path.read_bytes())
    content[offset : offset + len(data)] = data
    if fix_header:
        (count,) = struct.unpack_from("<I", content, 20)
        covered = content[:HEADER_CRC_OFFSET] + content[HEADER_BYTES : HEADER_BYTES + count * SECTION.size]
        content[HEADER_CRC_OFFSET:HEADER_BYTES] = struct.pack("<I", crc32c(covered))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("alignment", [4, 16])
def test_everything_written_is_read_back(tmp_path, alignment):
    with InrdReader(write(tmp_path / "x.inrd", alignment=alignment)) as reader:
        assert [reader.record(k) for k in range(len(reader))] == RECORDS
        assert reader.records([6, 0, -1]) == [RECORDS[6], RECORDS[0], RECORDS[6]]
        assert reader.index.heights.tolist() == list(range(32, 39))
        assert np.asarray(reader.index.psnr_db).tolist() == list(range(30, 37))
        assert (reader.index.offsets_bytes % alignment == 0).all()
        assert reader.metadata.classes == ("a", "b")
        assert np.asarray(reader.field("label")).tolist() == [0, 1, 0, 1, 0, 1, 0]
        assert list(reader.text_field("name") or ()) == [f"é{k}" for k in range(7)]
        assert reader.field("nothing") is None
    assert validate(tmp_path / "x.inrd").findings == ()


def test_an_empty_file_is_a_file(tmp_path):
    with InrdWriter(tmp_path / "x.inrd") as writer:
        writer.finish(codebook={"tables": [], "networks": []}, metadata=Metadata())
    assert len(InrdReader(tmp_path / "x.inrd")) == 0
    assert validate(tmp_path / "x.inrd").ok


def test_reading_a_record_touches_the_head_the_tables_the_index_and_that_record_only(path, monkeypatch):
    touched = []
    original = local_module.LocalFile._read_some

    def noting(self, offset_bytes, size_bytes):
        touched.append((offset_bytes, offset_bytes + size_bytes))
        return original(self, offset_bytes, size_bytes)

    monkeypatch.setattr(local_module.LocalFile, "_read_some", noting)
    reader = InrdReader(path)
    allowed = {(0, 4096)} | {
        (s.offset_bytes, s.end_bytes)
        for s in reader.header.sections
        if s.kind in (SectionKind.METADATA, SectionKind.CODEBOOK, SectionKind.INDEX)
    }
    assert set(touched) == allowed
    touched.clear()
    reader.record(4)
    start = 4096 + int(reader.index.offsets_bytes[4])
    assert touched == [(start, start + len(RECORDS[4]))]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    assert write(tmp_path / "a").read_bytes() == write(tmp_path / "b").read_bytes()


def test_a_reader_survives_pickling_and_notices_a_replaced_file(path, tmp_path):
    reader = InrdReader(path)
    stored = pickle.dumps(reader)
    assert pickle.loads(stored).record(3) == RECORDS[3]
    other = tmp_path / "other"
    with InrdWriter(other) as writer:
        writer.finish(codebook={}, metadata=Metadata())
    other.replace(path)
    with pytest.raises(InvalidFileError, match="FILE-CHANGED"):
        pickle.loads(stored)


def test_without_hard_links_a_name_is_claimed_and_never_taken(tmp_path, monkeypatch):
    path = tmp_path / "x"

    def no_links(*_paths):
        raise OSError(errno.EPERM, "not here")

    monkeypatch.setattr("os.link", no_links)
    with InrdWriter(path) as writer:
        writer.finish(codebook={}, metadata=Metadata())
    assert path.stat().st_size > 0 and [p.name for p in path.parent.iterdir()] == [path.name]
    path.unlink()
    with InrdWriter(path) as writer:
        path.write_bytes(b"mine")
        with pytest.raises(OutputExistsError, match="came into being"):
            writer.finish(codebook={}, metadata=Metadata())
    assert path.read_bytes() == b"mine" and [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_writer_goes_on_from_a_checkpoint_with_the_same_bytes(tmp_path):
    path = tmp_path / "x"
    records = [bytes([k]) * (50 + k) for k in range(9)]

    def write(writer, chosen):
        for record in chosen:
            writer.add(record, height=4, width=5, network=0, psnr_db=30)

    with InrdWriter(tmp_path / "whole") as writer:
        write(writer, records)
        writer.finish(codebook={}, metadata=Metadata())
    partial, rows = tmp_path / "partial", b""
    with pytest.raises(KeyboardInterrupt), InrdWriter(path, partial=partial) as writer:
        for first in (0, 3):
            write(writer, records[first : first + 3])
            checkpoint = writer.checkpoint()
            rows += checkpoint.rows
        write(writer, records[6:8])
        writer._flush()  # beyond the checkpoint
        raise KeyboardInterrupt
    resumed = Checkpoint(checkpoint.end_bytes, checkpoint.payload_crc32c, rows)
    with InrdWriter(path, partial=partial, checkpoint=resumed) as writer:
        write(writer, records[6:])
        writer.finish(codebook={}, metadata=Metadata())
    assert path.read_bytes() == (tmp_path / "whole").read_bytes() and not partial.exists()


def test_an_existing_file_is_never_overwritten(path):
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        InrdWriter(path)
    assert path.read_bytes() == before


def test_a_file_that_comes_into_being_meanwhile_is_left_alone(tmp_path):
    with InrdWriter(tmp_path / "x") as writer:
        (tmp_path / "x").write_text("mine")
        with pytest.raises(OutputExistsError):
            writer.finish(codebook={}, metadata=Metadata())
    assert (tmp_path / "x").read_text() == "mine"
    assert os.listdir(tmp_path) == ["x"]


def test_a_failed_conversion_leaves_nothing_behind(tmp_path):
    with pytest.raises(RuntimeError), InrdWriter(tmp_path / "x") as writer:
        writer.add(b"1234", height=1, width=1, network=0, psnr_db=1)
        raise RuntimeError
    assert os.listdir(tmp_path) == []


def test_every_truncation_is_refused(path):
    content = path.read_bytes()
    for size in (0, 1, 8, 9, 63, 64, 4095, 4096, 5000, len(content) - 1):
        path.write_bytes(content[:size])
        with pytest.raises(NotInrdError if size == 0 else TruncatedFileError) as caught:
            InrdReader(path)
        assert str(path) in str(caught.value)


def test_a_foreign_file_is_named_as_such(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000))
    with pytest.raises(NotInrdError, match=r"not an \.inrd file"):
        InrdReader(path)


def test_a_newer_major_version_and_unknown_required_features_are_refused_as_unsupported(path):
    for offset, data in ((9, b"\2"), (12, b"\1\0\0\0")):
        fresh = write(path.with_name(f"v{offset}.inrd"))
        with pytest.raises(UnsupportedVersionError, match="upgrade|features") as caught:
            InrdReader(patched(fresh, offset, data, fix_header=True))
        assert str(fresh) in str(caught.value)


def test_a_newer_minor_version_and_compat_bits_are_read(path):
    patched(path, 10, b"\7", fix_header=True)
    patched(path, 16, b"\1\0\0\0", fix_header=True)
    assert InrdReader(path).header.version == (1, 7)


def test_unknown_sections_are_skipped_when_ancillary_and_refused_when_critical(path):
    reader = InrdReader(path)
    number = reader.header.sections.index(reader.header.fields[-1])
    at = HEADER_BYTES + number * SECTION.size
    patched(path, at, b"XTRA", fix_header=True)
    with pytest.raises(InvalidFileError, match="FIELD-COUNT"):  # the metadata still names it
        InrdReader(path)
    patched(path, at + 4, b"\1\0", fix_header=True)
    with pytest.raises(UnsupportedVersionError, match="XTRA"):
        InrdReader(path)


def test_any_single_damaged_byte_is_found_by_validation(path):
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    interesting = [*range(96), *rng.integers(0, len(content), 300).tolist()]
    for offset in interesting:
        path.write_bytes(content)
        patched(path, offset, bytes([content[offset] ^ 0x40]))
        try:
            report = validate(path)
        except UnsupportedVersionError:
            continue
        assert not report.ok, offset
        assert all(f.rule in RULES for f in report.findings)


@pytest.mark.parametrize("codebook_bytes", [0, 3_000, 6_000, 100_000])
def test_small_sections_lie_in_the_header_block_and_large_ones_where_there_is_room(tmp_path, codebook_bytes):
    noise = np.random.default_rng(0).bytes(codebook_bytes)  # so that it does not compress
    with InrdWriter(tmp_path / "x") as writer:
        for record in RECORDS:
            writer.add(record, height=1, width=1, network=0, psnr_db=1)
        names = [f"{k}" for k in range(len(RECORDS))]
        writer.add_field("name", FieldType.UTF8, names)
        writer.finish(codebook={"noise": noise}, metadata=Metadata())
    reader = InrdReader(tmp_path / "x")
    assert validate(tmp_path / "x").ok
    assert (reader.codebook["noise"], list(reader.text_field("name") or ())) == (noise, names)
    assert reader.header.section(SectionKind.METADATA).end_bytes <= 4096
    assert reader.header.section(SectionKind.PAYLOAD).offset_bytes == 4096
    index = reader.header.section(SectionKind.INDEX)
    assert index.offset_bytes == 8192  # the payload's page is followed by it, whatever the codebook's size
    if codebook_bytes <= 3_000:
        assert (tmp_path / "x").stat().st_size == index.end_bytes


def test_bytes_between_sections_must_be_zero(path):
    header = InrdReader(path).header
    ends = [s.end_bytes for s in header.sections[:-1]]
    gaps = [end for end, s in zip(ends, header.sections[1:], strict=True) if s.offset_bytes > end]
    assert min(gaps) < 4096 < max(gaps)
    for place in gaps:
        fresh = patched(write(path.with_name(f"{place}")), place, b"\1")
        assert "RESERVED-ZERO" in [f.rule for f in validate(fresh).findings]
    with pytest.raises(InvalidFileError, match="RESERVED-ZERO"):
        InrdReader(path.with_name(f"{min(gaps)}"))


def test_a_compressed_payload_is_refused(path):
    sections = InrdReader(path).header.sections
    row = next(k for k, s in enumerate(sections) if s.kind == SectionKind.PAYLOAD)
    patched(path, HEADER_BYTES + row * SECTION.size + 6, b"\1\0", fix_header=True)
    with pytest.raises(InvalidFileError, match="SECTION-ENCODING"):
        InrdReader(path)


def test_a_damaged_record_is_reported_with_its_number_and_the_others_still_read(path):
    reader = InrdReader(path)
    offset = 4096 + int(reader.index.offsets_bytes[2])
    patched(path, offset, b"\xff")
    reader = InrdReader(path)
    with pytest.raises(ChecksumError, match="record 2"):
        reader.record(2)
    assert reader.record(3) == RECORDS[3]
    report = validate(path)
    assert [(f.rule, f.offset_bytes) for f in report.findings] == [("RECORD-CRC", offset), ("SECTION-CRC", 4096)]
    with pytest.raises(ChecksumError, match="PYLD"):
        reader.payload()


def test_declared_sizes_are_bounded_before_anything_is_allocated(path):
    reader = InrdReader(path)
    (number,) = [k for k, s in enumerate(reader.header.sections) if s.kind == SectionKind.METADATA]
    patched(path, HEADER_BYTES + number * SECTION.size + 24, struct.pack("<Q", 1 << 60), fix_header=True)
    with pytest.raises(LimitError, match="META"):
        InrdReader(path)


def test_the_record_count_limit_is_the_readers_choice(path):
    with pytest.raises(LimitError, match="LIMIT-RECORDS"):
        InrdReader(path, limits=Limits(max_records=6))


def test_labels_without_a_class_are_reported(tmp_path):
    with InrdWriter(tmp_path / "x") as writer:
        writer.add(b"1234", height=1, width=1, network=0, psnr_db=1)
        writer.add_field("label", FieldType.INT64, np.array([2]))
        writer.finish(codebook={}, metadata=Metadata(classes=("a", "b")))
    assert [f.rule for f in validate(tmp_path / "x").findings] == ["FIELD-LABEL"]


def test_errors_cross_process_boundaries_whole(path):
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InrdError) as caught:
        InrdReader(path)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
