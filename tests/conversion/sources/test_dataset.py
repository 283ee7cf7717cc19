"""Python data sets: what their samples hold is recognised, or refused with its name and the remedy."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, IterableDataset, Subset
from torchvision import tv_tensors
from torchvision.datasets import CocoDetection, FakeData, ImageFolder, wrap_dataset_for_transforms_v2
from torchvision.transforms import v2

from inrformat import InrdDataset, convert
from inrformat.conversion.sources.dataset import DatasetSource, spooled
from inrformat.conversion.sources.items import read_item
from inrformat.errors import SourceError, UsageError

TILE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


class Samples:
    """A data set of given samples."""

    def __init__(self, *samples, classes=None):
        self.given = samples
        if classes is not None:
            self.classes = classes

    def __len__(self):
        return len(self.given)

    def __getitem__(self, number):
        return self.given[number]


def item(target, **choices):
    return read_item((TILE, target), choices, place="here")


@pytest.mark.parametrize(
    "target,expected",
    [
        (3, {"label": 3}),
        (np.int64(3), {"label": 3}),
        (torch.tensor(3), {"label": 3}),
        (0.5, {"values": [0.5]}),
        (torch.tensor([0.5, 1.5]), {"values": [0.5, 1.5]}),
        ([2, 5], {"labels": [2, 5]}),
        ("two words", {"caption": "two words"}),
        (b"raw", {"target": b"raw"}),
        (
            {"caption": "x", "depth": 2.5, "ids": [1, 2], "id": 7},
            {"caption": "x", "depth": 2.5, "ids": [1, 2], "id": 7},
        ),
        (None, {}),
    ],
    ids=str,
)
def test_plain_targets_become_columns(target, expected):
    assert item(target).values == expected


def test_images_are_pictures_arrays_tensors_paths_and_bytes(tmp_path):
    Image.fromarray(TILE).save(tmp_path / "x.png")
    tensor = torch.from_numpy(TILE).permute(2, 0, 1)
    images = [
        Image.fromarray(TILE),
        TILE,
        tensor,
        tv_tensors.Image(tensor),
        v2.functional.to_dtype(tensor, torch.float32, scale=True),
        tmp_path / "x.png",
        str(tmp_path / "x.png"),
        (tmp_path / "x.png").read_bytes(),
    ]
    convert(Samples(*images), tmp_path / "x.inrd", quality=90)
    dataset = InrdDataset(tmp_path / "x.inrd")
    for number in range(len(images)):
        assert torch.equal(dataset[number][0], dataset[0][0])


def test_boxes_masks_and_keypoints_are_kept_in_native_pixels(tmp_path):
    mask = torch.zeros(1, 24, 32, dtype=torch.bool)
    mask[0, 3:9, 5:20] = True
    target = {
        "boxes": tv_tensors.BoundingBoxes([[5, 3, 15, 6]], format="XYWH", canvas_size=(24, 32)),
        "labels": torch.tensor([1]),
        "masks": tv_tensors.Mask(mask),
        "keypoints": tv_tensors.KeyPoints([[[4.0, 5.0]]], canvas_size=(24, 32)),
        "semantic": tv_tensors.Mask(torch.arange(24 * 32, dtype=torch.uint8).reshape(24, 32)),
    }
    boxes = tv_tensors.wrap(target["boxes"][:0], like=target["boxes"])
    nothing = {**target, "boxes": boxes, "labels": [], "masks": tv_tensors.Mask(mask[:0])}
    samples = Samples((TILE, target), (TILE, nothing))
    convert(samples, tmp_path / "x.inrd", class_names=["a", "b"])
    dataset = InrdDataset(tmp_path / "x.inrd")
    first, second = dataset[0][1], dataset[1][1]
    assert first["boxes"].tolist() == [[5, 3, 20, 9]] and first["labels"].tolist() == [1]
    assert torch.equal(first["masks"], mask) and len(second["boxes"]) == len(second["masks"]) == 0
    stored = {field.name for field in dataset.reader.metadata.fields}
    assert {"keypoints", "semantic"} <= stored


@pytest.mark.parametrize(
    "target,message",
    [
        (
            {"thing": object()},
            r"a target 'thing' that is not understood: object; leave it out with targets=\{'thing': None\}",
        ),
        ({"m": np.zeros((2, 2))}, r"'m' .* ndarray of shape \(2, 2\)"),
        ({"boxes": tv_tensors.BoundingBoxes([[0, 0, 1, 1]], format="XYXY", canvas_size=(9, 9))}, "without labels"),
        ({"label": "cat"}, "a target 'label' is int64 in an .inrd, here it is utf8"),
        ((1, 2, 3), "^$"),
    ],
)
def test_what_is_not_understood_is_named_with_the_remedy(target, message):
    if message == "^$":
        with pytest.raises(SourceError, match=r"here: 4 parts, expected \(image, target\)"):
            read_item((TILE, *target), {}, place="here")
        return
    with pytest.raises(SourceError, match=f"^here: .*{message}"):
        item(target)


def test_what_is_not_understood_can_be_left_out_or_kept_as_bytes():
    target = {"label": 1, "depth": np.arange(4.0).reshape(2, 2), "info": {"a": [1]}}
    assert item(target, depth=None, info=None).values == {"label": 1}
    kept = item(target, depth="bytes", info="bytes").values
    assert json.loads(kept["info"]) == {"a": [1]} and kept["depth"].startswith(b"\x93NUMPY")


def test_torchvision_s_own_data_sets_keep_names_classes_and_targets(photo_folder, tmp_path):
    folder = ImageFolder(photo_folder)
    both: Any = ConcatDataset([Subset(folder, [1, 7]), folder])
    for number, dataset in enumerate((folder, both)):
        convert(dataset, tmp_path / f"{number}.inrd")
        stored = InrdDataset(tmp_path / f"{number}.inrd")
        assert stored.classes == folder.classes
        assert list(stored.targets) == [dataset[k][1] for k in range(len(dataset))]
    names = InrdDataset(tmp_path / "0.inrd").reader.text_field("name") or ()
    assert names[0] == "astronaut/tile_0.png"
    convert(FakeData(size=5, image_size=(3, 16, 16), num_classes=3), tmp_path / "f.inrd")
    assert set(InrdDataset(tmp_path / "f.inrd").classes) <= {"0", "1", "2"}


def test_coco_detection_of_torchvision_gives_the_same_targets(tmp_path, photo_tiles):
    (tmp_path / "images").mkdir()
    images, annotations = [], []
    for number, tile in enumerate(photo_tiles["coffee"][:3]):
        Image.fromarray(tile).save(tmp_path / f"images/{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "height": 32, "width": 32})
        box = {"bbox": [2, 3, 10, 12], "area": 120, "iscrowd": 0, "segmentation": [[2, 3, 12, 3, 12, 15]]}
        annotations.append({"id": number, "image_id": number, "category_id": 1, **box})
    stored = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 0, "name": "a"}, {"id": 1, "name": "b"}],
    }
    (tmp_path / "x.json").write_text(json.dumps(stored))
    pytest.importorskip("pycocotools")
    dataset = wrap_dataset_for_transforms_v2(CocoDetection(tmp_path / "images", tmp_path / "x.json"), target_keys="all")
    choices = dict.fromkeys(("segmentation", "area", "iscrowd", "bbox", "category_id", "id", "image_id"))
    convert(dataset, tmp_path / "x.inrd", targets=choices)
    assert InrdDataset(tmp_path / "x.inrd")[0][1]["boxes"].tolist() == [[2, 3, 12, 15]]


def test_what_goes_once_is_kept_and_removed_again(tmp_path, photo_tiles):
    class Stream(IterableDataset[Any]):
        def __iter__(self):
            yield from ((Image.fromarray(tile), label) for label, tile in enumerate(photo_tiles["coffee"]))

    convert(Stream(), tmp_path / "stream.inrd")
    convert(((tile, 0) for tile in photo_tiles["coffee"]), tmp_path / "generator.inrd", class_names=["cup"])
    assert list(InrdDataset(tmp_path / "stream.inrd").targets) == list(range(6))
    assert InrdDataset(tmp_path / "generator.inrd").classes == ["cup"]
    source = spooled(iter([TILE]))
    kept = source.image("0")
    assert isinstance(kept, np.ndarray) and np.array_equal(kept, TILE)


def test_samples_that_differ_from_those_looked_at_are_named():
    samples: list[Any] = [(TILE, 0)] * 200
    samples[1] = (TILE, "text")
    source = DatasetSource.of(Samples(*samples))
    with pytest.raises(SourceError, match=r"sample 1 has a target 'caption' \(utf8\)"):
        source.sample(1)
    samples[1] = (TILE, None)
    source = DatasetSource.of(Samples(*samples))
    assert source.sample(1).values == {}


def test_missing_targets_and_classes_out_of_range_are_that_image_s_error(tmp_path):
    samples: list[Any] = [(TILE, 0)] * 100
    samples[1] = (TILE, None)
    samples[3] = (TILE, 9)
    summary = convert(Samples(*samples, classes=["a", "b"]), tmp_path / "x.inrd", on_error="skip")
    reasons = {skipped.name: skipped.reason for skipped in summary.skipped}
    assert "no target 'label', which others have" in reasons["01"]
    assert "class number 9 is not one of 2 classes" in reasons["03"]


def test_a_sample_that_cannot_be_had_is_named_and_can_be_left_out(tmp_path):
    class Broken(Samples):
        def __getitem__(self, number):
            if number == 1:
                raise RuntimeError("disk on fire")
            return TILE, 0

    samples = Broken(*range(100))
    with pytest.raises(SourceError, match=r"sample 1 cannot be read \(RuntimeError: disk on fire\).*--on-error"):
        convert(samples, tmp_path / "x.inrd")
    assert convert(samples, tmp_path / "x.inrd", on_error="skip").samples == 99


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(SourceError, match="without samples"):
        convert(Samples(), tmp_path / "x.inrd")
    with pytest.raises(UsageError, match="a int is no source"):
        convert(7, tmp_path / "x.inrd")
