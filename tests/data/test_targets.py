import pickle

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import tv_tensors
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader, InrdReader, InrdWriter
from inrformat.container.fields import FieldType
from inrformat.container.masks import pack_instances, pack_semantic
from inrformat.container.metadata import Metadata
from inrformat.data.targets import collate
from inrformat.errors import InvalidFileError, UsageError

RNG = np.random.default_rng(0)
MASKS = [RNG.random((n, 32, 32)) < 0.5 for n in (2, 0, 3)]
SEMANTIC = RNG.integers(0, 5, (3, 32, 32)).astype(np.uint8)
FIELDS = {
    "labels": (FieldType.INT64_LIST, [[0, 2], [], [1]]),
    "values": (FieldType.FLOAT64_LIST, [[0.5, 1], [2, 3], [4, 5]]),
    "boxes": (FieldType.FLOAT64_LIST, [[1, 2, 11, 12, 0, 0, 32, 32], [], [4, 4, 8, 8] * 3]),
    "box_labels": (FieldType.INT64_LIST, [[0, 1], [], [2, 2, 0]]),
    "iscrowd": (FieldType.INT64_LIST, [[0, 1], [], [0, 0, 1]]),
    "instances": (FieldType.BYTES, [pack_instances(m) for m in MASKS]),
    "semantic": (FieldType.BYTES, [pack_semantic(m) for m in SEMANTIC]),
    "keypoints": (FieldType.FLOAT64_LIST, [[3, 4, 2], [], [5, 6, 1, 7, 8, 0]]),
    "caption": (FieldType.UTF8, ["one", "", "drei"]),
    "raw": (FieldType.BYTES, [b"\x00\x01", b"", b"z"]),
    "weight": (FieldType.FLOAT64, [0.5, 1.5, 2.5]),
}


FLIP = v2.Compose([v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0)])
needs_keypoints = pytest.mark.skipif(
    not hasattr(tv_tensors, "KeyPoints"), reason="torchvision has keypoints since 0.23"
)


def rewritten(tile_file, path, fields):
    """The first three records of a file with other field columns."""
    with InrdReader(tile_file) as source, InrdWriter(path) as writer:
        for k in range(3):
            writer.add(source.record(k), height=32, width=32, network=int(source.index.networks[k]), psnr_db=30)
        for name, (kind, values) in fields.items():
            writer.add_field(name, kind, values)
        writer.finish(codebook=source.codebook, metadata=Metadata(classes=("a", "b", "c")))
    return path


@pytest.fixture(scope="module")
def rich_file(tile_file, tmp_path_factory):
    return rewritten(tile_file, tmp_path_factory.mktemp("rich") / "rich.inrd", FIELDS)


def batch(path, target, transform=None):
    return next(iter(InrdLoader(InrdDataset(path, target=target), 3, device="cpu", transform=transform)))[1]


def test_a_file_with_boxes_is_a_detection_set(rich_file):
    _, target = InrdDataset(rich_file)[0]
    assert isinstance(target["boxes"], tv_tensors.BoundingBoxes) and target["boxes"].canvas_size == (32, 32)
    assert target["boxes"].tolist() == [[1, 2, 11, 12], [0, 0, 32, 32]]
    assert target["labels"].tolist() == [0, 1] and target["iscrowd"].tolist() == [0, 1]
    assert isinstance(target["masks"], tv_tensors.Mask) and np.array_equal(target["masks"], MASKS[0])


def test_data_sets_of_ragged_targets_can_be_pickled(rich_file):
    clone = pickle.loads(pickle.dumps(InrdDataset(rich_file)))
    assert clone[0][1]["boxes"].tolist() == [[1, 2, 11, 12], [0, 0, 32, 32]]
    assert len(clone.targets) == 3


def test_dense_targets_come_as_tensors(rich_file):
    assert batch(rich_file, "multilabel").tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert batch(rich_file, "regression").tolist() == [[0.5, 1], [2, 3], [4, 5]]
    assert batch(rich_file, "weight").tolist() == [0.5, 1.5, 2.5]
    semantic = batch(rich_file, "semantic")
    assert isinstance(semantic, tv_tensors.Mask) and np.array_equal(semantic, SEMANTIC)


def test_ragged_targets_stay_ragged(rich_file):
    detection = batch(rich_file, None)
    assert [len(t["boxes"]) for t in detection] == [2, 0, 3] == [len(t["masks"]) for t in detection]
    assert batch(rich_file, "caption") == ["one", "", "drei"]
    assert batch(rich_file, "raw") == [b"\x00\x01", b"", b"z"]
    both = batch(rich_file, ("caption", "weight"))
    assert both[0] == ["one", "", "drei"] and both[1].tolist() == [0.5, 1.5, 2.5]
    alike = [{"boxes": torch.zeros(2, 4)}] * 2
    assert collate(alike) == alike


@needs_keypoints
def test_keypoints_stay_ragged_and_go_through_the_geometry(rich_file):
    assert [t["visible"].tolist() for t in batch(rich_file, "keypoints")] == [[2], [], [1, 0]]
    assert batch(rich_file, "keypoints", FLIP)[2]["keypoints"].tolist() == [[27, 26], [25, 24]]


def test_a_data_loader_collates_the_same_way(rich_file):
    def collated(samples):
        images, targets = zip(*samples, strict=True)
        return torch.stack(images), collate(targets)

    images, targets = next(iter(DataLoader(InrdDataset(rich_file), 3, collate_fn=collated)))
    assert images.shape == (3, 3, 32, 32) and [len(t["labels"]) for t in targets] == [2, 0, 3]


def test_geometry_takes_targets_along_through_all_of_the_pipeline(rich_file):
    detection = batch(rich_file, None, FLIP)
    assert detection[0]["boxes"].tolist() == [[21, 20, 31, 30], [0, 0, 32, 32]]
    assert np.array_equal(detection[2]["masks"], MASKS[2][:, ::-1, ::-1])
    assert np.array_equal(batch(rich_file, "semantic", FLIP), SEMANTIC[:, ::-1, ::-1])
    # Behind what is not lifted, torchvision itself does the same.
    later = batch(rich_file, None, v2.Compose([v2.ColorJitter(0.1), FLIP]))
    assert later[0]["boxes"].tolist() == [[21, 20, 31, 30], [0, 0, 32, 32]]


@pytest.mark.parametrize(
    "field,kind,values",
    [
        ("labels", FieldType.INT64_LIST, [[3], [], []]),
        ("values", FieldType.FLOAT64_LIST, [[1], [1, 2], []]),
        ("boxes", FieldType.FLOAT64_LIST, [[1, 2, 3], [], []]),
        ("box_labels", FieldType.INT64_LIST, [[9], [], []]),
        ("boxes", FieldType.FLOAT64_LIST, [[1, 2, 3, float("nan")], [], []]),
        ("caption", FieldType.BYTES, [b""] * 3),
        pytest.param("keypoints", FieldType.FLOAT64_LIST, [[1, 2], [], []], marks=needs_keypoints),
        ("semantic", FieldType.BYTES, [b"no", b"", b""]),
        ("instances", FieldType.BYTES, [pack_instances(MASKS[0][:, :8]), b"", b""]),
        ("semantic", FieldType.BYTES, [pack_semantic(SEMANTIC[0, :9]), b"", b""]),
    ],
)
def test_columns_that_are_not_what_they_say_are_refused(tile_file, tmp_path, field, kind, values):
    fields = {**FIELDS, field: (kind, values)}
    if field == "box_labels":
        fields["boxes"] = (FieldType.FLOAT64_LIST, [[1, 2, 3, 4], [], []])
    path = rewritten(tile_file, tmp_path / "bad.inrd", fields)
    of = {"labels": "multilabel", "values": "regression", "boxes": None, "box_labels": None, "instances": None}
    with pytest.raises(InvalidFileError, match="FIELD-"):
        InrdDataset(path, target=of.get(field, field))[0]


def test_a_target_the_file_does_not_have_is_named(rich_file, tile_file):
    with pytest.raises(UsageError, match="no field 'colour'"):
        InrdDataset(rich_file, target="colour")
    with pytest.raises(UsageError, match="its fields: label"):
        InrdDataset(tile_file, target="detection")
