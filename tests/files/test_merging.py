"""Merging: records and pixels stay, classes are united by name, what is unclear is refused."""

from typing import Any

import numpy as np
import pytest

from inrformat import FieldType, InrdReader, InrdWriter, Metadata, SirenOptions, convert
from inrformat.errors import OutputExistsError, UsageError
from inrformat.families.codebook import Codebook
from inrformat.files.merging import merge
from tests.files.conftest import column, decoded_of, is_valid


def test_files_of_unlike_codebooks_decode_as_before(class_files, photo_folder, tmp_path):
    convert(photo_folder / "coffee", tmp_path / "siren.inrd", SirenOptions(hidden=(2, 8), steps=20))
    names = [*class_files, *class_files[:1]]
    merge(class_files, tmp_path / "m.inrd")
    expected: dict[str, Any] = {}
    for path in class_files:
        expected |= decoded_of(path)
    found = decoded_of(tmp_path / "m.inrd")
    assert list(found) == list(expected) and len(names) == 3
    assert all(np.array_equal(found[name], expected[name]) for name in expected)
    with InrdReader(tmp_path / "m.inrd") as reader:
        assert reader.metadata.classes == ("coffee", "astronaut")
        assert len(Codebook.from_map(reader.codebook).networks) == 2
        assert len(reader.metadata.channel_mean) == 3
    assert column(tmp_path / "m.inrd", "label") == [0] * 6 + [1] * 6
    assert is_valid(tmp_path / "m.inrd")


def test_shards_of_one_codebook_give_the_file_that_was_cut(whole_file, photo_folder, tmp_path):
    from inrformat import CellsOptions

    convert(photo_folder, tmp_path / "shards", CellsOptions(quality=60.0), shards=3)
    merge(sorted((tmp_path / "shards").glob("*.inrd")), tmp_path / "m.inrd")
    with InrdReader(tmp_path / "m.inrd") as merged, InrdReader(whole_file) as whole:
        assert merged.codebook == whole.codebook and merged.metadata.fields == whole.metadata.fields
        assert merged.records(range(12)) == whole.records(range(12))
        assert merged.metadata.channel_mean == pytest.approx(whole.metadata.channel_mean)
        assert merged.metadata.channel_std == pytest.approx(whole.metadata.channel_std)


def test_two_families_share_a_file(class_files, photo_folder, tmp_path):
    convert(photo_folder / "coffee", tmp_path / "siren.inrd", SirenOptions(hidden=(2, 8), steps=20))
    with pytest.raises(UsageError, match=r"siren\.inrd|coffee\.inrd.*column 'label'.*--columns common"):
        merge([class_files[0], tmp_path / "siren.inrd"], tmp_path / "m.inrd")
    merge([class_files[0], tmp_path / "siren.inrd"], tmp_path / "m.inrd", common_columns=True, prefixed=True)
    found = decoded_of(tmp_path / "m.inrd")
    for stem, path in (("coffee", class_files[0]), ("siren", tmp_path / "siren.inrd")):
        for name, pixels in decoded_of(path).items():
            assert np.array_equal(found[f"{stem}/{name}"], pixels)


def test_names_that_repeat_are_refused_and_both_files_named(whole_file, tmp_path):
    other = tmp_path / "other.inrd"
    other.write_bytes(whole_file.read_bytes())
    with pytest.raises(UsageError, match=r"tile_0\.png is an image of both .*whole\.inrd and .*other\.inrd; --prefix"):
        merge([whole_file, other], tmp_path / "m.inrd")
    assert not (tmp_path / "m.inrd").exists()
    assert merge([whole_file, other], tmp_path / "m.inrd", prefixed=True) == 24
    with pytest.raises(OutputExistsError):
        merge([whole_file, other], tmp_path / "m.inrd", prefixed=True)


def test_a_file_without_records_merges_too(whole_file, tmp_path):
    with InrdReader(whole_file) as reader, InrdWriter(tmp_path / "empty.inrd") as writer:
        writer.add_field("label", FieldType.INT64, [])
        writer.add_field("name", FieldType.UTF8, [])
        writer.finish(codebook=reader.codebook, metadata=Metadata(classes=("other",)))
    assert merge([tmp_path / "empty.inrd", whole_file], tmp_path / "m.inrd") == 12
    assert column(tmp_path / "m.inrd", "label") == [1] * 6 + [2] * 6
