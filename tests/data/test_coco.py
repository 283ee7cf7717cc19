"""A real detection set through convert and loader: boxes stay on their objects."""

import pytest
import torch
from torchvision.ops import box_iou
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from inrformat import InrdDataset, InrdLoader
from inrformat.conversion.annotations.class_names import read_class_names
from inrformat.conversion.annotations.masks import read_masks
from inrformat.conversion.annotations.reading import read_annotations
from inrformat.conversion.pipeline import convert
from inrformat.conversion.sources.annotated import annotated
from inrformat.conversion.sources.folder import scan_folder
from inrformat.conversion.sources.source import limited
from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.crops import random_resized_box
from inrformat.families.cells.encoder.options import CellsOptions

pytestmark = pytest.mark.slow

SCALE, RATIO, SIDE = (0.3, 1.0), (0.75, 4 / 3), 160


@pytest.fixture(scope="module")
def detection_file(shared_data, tmp_path_factory):
    root = shared_data / "coco128"
    classes = read_class_names(root / "upstream/instance_segmentation/config.yaml")
    annotations = read_annotations(root / "instance_segmentation/labels/train2017", classes=classes)
    masks = read_masks(root / "semantic_segmentation/masks/train2017")
    source = limited(annotated(scan_folder(root / "images/train2017"), annotations, masks), 12)
    path = tmp_path_factory.mktemp("coco") / "coco.inrd"
    convert(source, path, CellsOptions(quality=40), size=200)
    return path


def test_boxes_and_masks_stay_on_their_objects_through_random_crops_and_flips(detection_file):
    dataset = InrdDataset(detection_file)
    pipeline = v2.Compose([v2.RandomResizedCrop(SIDE, SCALE, RATIO), v2.RandomHorizontalFlip()])
    loader = InrdLoader(dataset, 5, device="cpu", transform=pipeline, seed=2)
    sample, worst = 0, 1.0
    for images, targets in loader:
        assert images.shape[1:] == (3, SIDE, SIDE) and len(images) == len(targets)
        for target in targets:
            generator = CounterGenerator(torch.tensor([sample]), seed=2, epoch=0)
            native = dataset[sample][1]
            height, width = (torch.tensor([float(s)], dtype=torch.float64) for s in native["boxes"].canvas_size)
            box = [int(v) for v in random_resized_box(height, width, generator, scale=SCALE, ratio=RATIO)]
            flip = bool(generator.chance(0.5))
            expected = F.resized_crop(native["boxes"], *box, [SIDE, SIDE])
            expected = F.horizontal_flip(expected) if flip else expected
            seen = ((expected[:, 2:] - expected[:, :2]) > 4).all(1)
            if seen.any():
                worst = min(worst, float(box_iou(target["boxes"][seen], expected[seen]).diagonal().min()))
            _masks_fill_their_boxes(target, seen)
            sample += 1
    assert sample == len(dataset)
    assert worst >= 0.95


def _masks_fill_their_boxes(target, seen):
    """A mask has no pixel outside its box, but for its edge."""
    for mask, box in zip(target["masks"][seen], target["boxes"][seen].round().int().tolist(), strict=True):
        left, top, right, bottom = box
        padding_mode = mask.clone()
        padding_mode[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2] = False
        assert not padding_mode.any()


def test_semantic_masks_are_those_of_the_source(detection_file):
    images, masks = next(
        iter(InrdLoader(InrdDataset(detection_file, target="semantic"), 4, size=(96, 128), device="cpu"))
    )
    assert images.shape == (4, 3, 96, 128) and masks.shape == (4, 96, 128)
    assert masks.float().std() > 0
