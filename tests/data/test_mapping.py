"""Boxes, masks and keypoints go where torchvision's own functionals take them."""

import pytest
import torch
from torchvision import tv_tensors
from torchvision.ops import box_iou
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from inrformat.data.mapping import mapped
from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.crops import random_resized_box
from inrformat.decoding.canvas import Canvas

SIZE = HEIGHT, WIDTH = 120, 160
BILINEAR = InterpolationMode.BILINEAR


def target(seed=0, count=12):
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(count, 2, generator=generator) * torch.tensor([WIDTH * 0.7, HEIGHT * 0.7])
    high = low + 10 + torch.rand(count, 2, generator=generator) * torch.tensor([WIDTH * 0.25, HEIGHT * 0.25])
    boxes = torch.cat([low, high], 1)
    # Whole pixels: torchvision's elastic transform rounds positions up to them before it looks at the displacement.
    boxes = torch.minimum(boxes, torch.tensor([WIDTH, HEIGHT] * 2)).round()
    masks = torch.zeros(count, *SIZE, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(masks, boxes.round().int().tolist(), strict=True):
        mask[top:bottom, left:right] = 1
    made = {
        "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=SIZE),
        "masks": tv_tensors.Mask(masks),
        "labels": torch.arange(count),
    }
    if hasattr(tv_tensors, "KeyPoints"):  # of torchvision 0.23 and later
        made["points"] = tv_tensors.KeyPoints(boxes[:, :2], canvas_size=SIZE)
    return made


def start():
    return Canvas.of([HEIGHT], [WIDTH], shortest=HEIGHT).crop(0, 0, *SIZE)


def every(functional):
    return lambda t: {k: v if k == "labels" else functional(v) for k, v in t.items()}


def crop_and_resize(t):
    """Masks at the pixels under the output's centres; torchvision's mode of masks is half a pixel off."""
    if isinstance(t, tv_tensors.Mask):
        image = tv_tensors.Image(t)
        return tv_tensors.Mask(F.resized_crop(image, 20, 30, 70, 90, [96, 96], InterpolationMode.NEAREST_EXACT))
    return F.resized_crop(t, 20, 30, 70, 90, [96, 96])


def displacement():
    torch.manual_seed(1)
    return v2.ElasticTransform(60.0, 8.0).make_params([torch.zeros(1, *SIZE)])["displacement"]


PIXELS = torch.tensor([WIDTH / 2, HEIGHT / 2])
START = [[0, 0], [WIDTH - 1, 0], [WIDTH - 1, HEIGHT - 1], [0, HEIGHT - 1]]
END = [[9, 5], [WIDTH - 12, 2], [WIDTH - 4, HEIGHT - 11], [6, HEIGHT - 3]]
CASES = {
    "crop and resize": (lambda c: c.crop(20, 30, 70, 90).resize(96, 96), every(crop_and_resize)),
    "flips": (lambda c: c.horizontal_flip().vertical_flip(), every(lambda t: F.vertical_flip(F.horizontal_flip(t)))),
    "crop, then padding": (
        lambda c: c.crop(20, 30, 70, 90).resize(70, 90).pad(8, 8, 8, 8),
        every(lambda t: F.pad(F.crop(t, 20, 30, 70, 90), [8])),
    ),
    "rotation": (lambda c: c.rotate(25.0), every(lambda t: F.rotate(t, 25.0, BILINEAR))),
    "affine": (
        lambda c: c.affine(10.0, translate=(7, -5), scale=0.8, shear=(6.0, 3.0)),
        every(lambda t: F.affine(t, 10.0, [7, -5], 0.8, [6.0, 3.0], BILINEAR)),
    ),
    "perspective": (
        lambda c: c.perspective(torch.tensor([START]), torch.tensor([END])),
        every(lambda t: F.perspective(t, START, END, BILINEAR)),
    ),
    "elastic": (lambda c: c.displace(displacement() * PIXELS), every(lambda t: F.elastic(t, displacement(), BILINEAR))),
}


def iou(a, b):
    """Of corresponding boxes that both have an area."""
    kept = [(t[:, 2] - t[:, 0] > 2) & (t[:, 3] - t[:, 1] > 2) for t in (a, b)]
    assert torch.equal(kept[0], kept[1]) and kept[0].any()
    return box_iou(a[kept[0]], b[kept[0]]).diagonal()


@pytest.mark.parametrize("name", CASES)
def test_targets_go_where_torchvision_takes_them(name):
    build, reference = CASES[name]
    ours, theirs = mapped(target(), build(start()).geometry()), reference(target())
    assert ours["boxes"].canvas_size == theirs["boxes"].canvas_size
    assert iou(ours["boxes"], theirs["boxes"]).min() >= 0.95
    overlap = (ours["masks"] & theirs["masks"]).sum() / (ours["masks"] | theirs["masks"]).sum()
    assert overlap >= 0.95
    if "points" in theirs:
        height, width = theirs["points"].canvas_size
        inside = ((theirs["points"] > 1) & (theirs["points"] < torch.tensor([width - 1, height - 1]))).all(1)
        assert (ours["points"] - theirs["points"])[inside].abs().max() < 1.5
    assert torch.equal(ours["labels"], theirs["labels"])


def test_boxes_of_random_resized_crops_and_flips_are_torchvisions_to_the_pixel():
    worst = 1.0
    for sample in range(50):
        generator = CounterGenerator(torch.tensor([sample]), seed=0, epoch=0)
        height, width = (torch.tensor([float(s)], dtype=torch.float64) for s in SIZE)
        box = random_resized_box(height, width, generator, scale=(0.3, 1), ratio=(0.75, 4 / 3))
        canvas = start().crop(*box).resize(64, 64).horizontal_flip(generator.chance(0.5))
        ours = mapped(target(sample), canvas.geometry())["boxes"]
        theirs = F.resized_crop(target(sample)["boxes"], *(int(b) for b in box), [64, 64])
        chosen = CounterGenerator(torch.tensor([sample]), seed=0, epoch=0)
        chosen.words(22)
        theirs = F.horizontal_flip(theirs) if bool(chosen.chance(0.5)) else theirs
        worst = min(worst, float(iou(ours, theirs).min()))
    assert worst > 0.99


def test_what_is_out_of_view_has_no_area():
    box = tv_tensors.BoundingBoxes([[0.0, 0.0, 10.0, 10.0]], format="XYXY", canvas_size=SIZE)
    moved = mapped({"boxes": box}, start().crop(50, 50, 20, 20).geometry())["boxes"]
    assert (moved[:, 2:] - moved[:, :2]).prod() == 0


def test_reflected_padding_shows_masks_again():
    from inrformat.decoding.geometry import PaddingMode

    mask = target()["masks"]
    ours = mapped(mask, start().pad(10, 6, 4, 2, padding_mode=PaddingMode.REFLECT).geometry())
    assert torch.equal(ours, F.pad(mask, [10, 6, 4, 2], padding_mode="reflect"))
