"""What a target's name demands of its column; ``validate`` reports what reading a sample would meet."""

import numpy as np
import pytest

from inrformat.container.fields import FieldType
from inrformat.container.masks import pack_instances, pack_semantic
from inrformat.container.metadata import Metadata
from inrformat.container.reader import InrdReader
from inrformat.container.targets import TARGET_TYPES, checked_column
from inrformat.container.validate import validate_file
from inrformat.container.writer import InrdWriter
from inrformat.errors import InvalidFileError
from inrformat.families.codebook import Codebook

HEIGHT, WIDTH = 6, 9
PLANES = [pack_instances(np.ones((n, HEIGHT, WIDTH), bool)) for n in (1, 2)]
MASKS = [pack_semantic(np.full((HEIGHT, WIDTH), n, np.uint8)) for n in (3, 4)]
TOO_SMALL = pack_semantic(np.ones((2, 2), np.uint8))
SOUND = {
    "label": (FieldType.INT64, [1, 0]),
    "labels": (FieldType.INT64_LIST, [[0, 1], []]),
    "values": (FieldType.FLOAT64_LIST, [[0.5, 2.0], [1.5, 3.0]]),
    "box_labels": (FieldType.INT64_LIST, [[1], [0, 1]]),
    "boxes": (FieldType.FLOAT64_LIST, [[0, 0, 2, 2.5], [1, 1, 3, 3, 0, 0, 1, 1]]),
    "iscrowd": (FieldType.INT64_LIST, [[0], [1, 0]]),
    "instances": (FieldType.BYTES, PLANES),
    "semantic": (FieldType.BYTES, MASKS),
    "keypoints": (FieldType.FLOAT64_LIST, [[1, 2, 2], []]),
    "caption": (FieldType.UTF8, ["a cat", "two dogs"]),
}
BROKEN = {
    "a class number that does not exist": ("label", "FIELD-LABEL", FieldType.INT64, [2, 0]),
    "class numbers as floats": ("label", "FIELD-LABEL", FieldType.FLOAT64, [1.0, 0.0]),
    "a negative class number": ("labels", "FIELD-LABEL", FieldType.INT64_LIST, [[0], [-1]]),
    "values of unlike lengths": ("values", "FIELD-TARGET", FieldType.FLOAT64_LIST, [[0.5], [1.5, 3.0]]),
    "boxes of three numbers": ("boxes", "FIELD-TARGET", FieldType.FLOAT64_LIST, [[0, 0, 2], [1] * 8]),
    "a box that is not finite": ("boxes", "FIELD-TARGET", FieldType.FLOAT64_LIST, [[0, 0, 2, np.inf], [1] * 8]),
    "crowd flags too few": ("iscrowd", "FIELD-TARGET", FieldType.INT64_LIST, [[0], [1]]),
    "keypoints of two numbers": ("keypoints", "FIELD-TARGET", FieldType.FLOAT64_LIST, [[1, 2], []]),
    "captions as bytes": ("caption", "FIELD-TARGET", FieldType.BYTES, [b"a", b"b"]),
    "a mask too small": ("semantic", "FIELD-MASK", FieldType.BYTES, [MASKS[0], TOO_SMALL]),
    "a mask that is noise": ("instances", "FIELD-MASK", FieldType.BYTES, [PLANES[0], b"noise"]),
}


def written(path, fields):
    with InrdWriter(path) as writer:
        for _ in range(2):
            writer.add(b"12345678", height=HEIGHT, width=WIDTH, network=0, psnr_db=1)
        for name, (kind, values) in fields.items():
            writer.add_field(name, kind, values)
        writer.finish(codebook={"tables": [], "networks": []}, metadata=Metadata(classes=("cat", "dog")))
    return path


def check_codebook(reader):
    Codebook.from_map(reader.codebook)


def rules_broken(path):
    report = validate_file(path, check_codebook=check_codebook)
    return [finding.rule for finding in report.findings]


def test_sound_targets_are_read_and_validate(tmp_path):
    path = written(tmp_path / "x", SOUND)
    assert set(SOUND) == set(TARGET_TYPES)
    assert rules_broken(path) == []
    with InrdReader(path) as reader:
        assert checked_column(reader, "label").tolist() == [1, 0]
        assert checked_column(reader, "boxes")[1].tolist() == [1, 1, 3, 3, 0, 0, 1, 1]


@pytest.mark.parametrize("case", BROKEN)
def test_each_breach_is_reported_by_validate_and_raised_where_the_column_is_read(tmp_path, case):
    name, rule, kind, values = BROKEN[case]
    path = written(tmp_path / "x", {**SOUND, name: (kind, values)})
    assert rules_broken(path) == [rule]
    if rule != "FIELD-MASK":  # masks are looked at one by one, when they are unpacked
        with InrdReader(path) as reader, pytest.raises(InvalidFileError, match=f"{name}.*{rule}"):
            checked_column(reader, name)


def test_boxes_and_masks_need_the_labels_of_their_boxes(tmp_path):
    fields = {name: column for name, column in SOUND.items() if name != "box_labels"}
    assert rules_broken(written(tmp_path / "x", fields)) == ["FIELD-TARGET"] * 3
