"""Lifted pipelines give torchvision's pixels; what cannot be lifted is said."""

import pytest
import torch
from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.crops import random_resized_box
from inrformat.data.transforms.plan import Frame, explain, has_geometry, plan_of
from inrformat.errors import GeometryError

SIZE = HEIGHT, WIDTH = 72, 96
FRAME = Frame(SIZE, HEIGHT)
BATCH = 4
BILINEAR = InterpolationMode.BILINEAR


def generator(count=BATCH):
    return CounterGenerator(torch.arange(count), seed=5, epoch=1)


def lifted(smooth, transform, frame=FRAME):
    """The decoded batch of a pipeline that must lift as a whole."""
    plan = plan_of(transform, frame)
    assert plan.batch_transforms == (), plan.reason
    canvas = plan.canvas(frame.canvas(torch.full((BATCH,), HEIGHT), torch.full((BATCH,), WIDTH)), generator())
    return smooth.decode(canvas.geometry())


def psnr_db(a, b):
    return float(-10 * torch.log10((a.clamp(0, 1) - b.clamp(0, 1)).square().mean()))


def box(k, source, **options):
    height, width = (torch.tensor([float(s)], dtype=torch.float64) for s in SIZE)
    return [int(v) for v in random_resized_box(height, width, source, **options)]


def crop_and_flip(image, k):
    source = CounterGenerator(torch.tensor([k]), seed=5, epoch=1)
    image = F.resized_crop(image, *box(k, source, scale=(0.3, 1), ratio=(0.75, 4 / 3)), [48, 56], antialias=True)
    return F.horizontal_flip(image) if bool(source.chance(0.5)) else image


def padded_crop(image, k):
    source = CounterGenerator(torch.tensor([k]), seed=5, epoch=1)
    image = F.pad(image, [4, 6], padding_mode="reflect")
    top, left = int(source.integer(0, HEIGHT + 12 - 60 + 1)), int(source.integer(0, WIDTH + 8 - 70 + 1))
    return F.crop(image, top, left, 60, 70)


def turned(image, k):
    source = CounterGenerator(torch.tensor([k]), seed=5, epoch=1)
    return F.rotate(image, float(source.uniform(-30, 30)), BILINEAR, fill=[0.2, 0.4, 0.6])


def bent(image, k):
    source = CounterGenerator(torch.tensor([k]), seed=5, epoch=1)
    degrees = float(source.uniform(-10, 10))
    shift = [int(source.uniform(-m, m).round()) for m in (0.1 * WIDTH, 0.2 * HEIGHT)]
    scale = float(source.uniform(0.9, 1.4))
    shear = [float(source.uniform(-5, 5)), float(source.uniform(0, 0))]
    return F.affine(image, degrees, shift, scale, shear, BILINEAR, fill=0)


def turned_perhaps(image, k):
    source = CounterGenerator(torch.tensor([k]), seed=5, epoch=1)
    chosen, degrees = bool(source.chance(0.5)), float(source.uniform(-30, 30))
    return F.rotate(image, degrees, BILINEAR, fill=0) if chosen else image


def evaluated(image, _k):
    return F.center_crop(F.resize(image, [56], antialias=True), [48, 48])


def as_bytes(fill):
    return [255 * f for f in fill]


CASES = {
    "crop, flip": (
        v2.Compose([v2.RandomResizedCrop((48, 56), scale=(0.3, 1)), v2.RandomHorizontalFlip()]),
        crop_and_flip,
    ),
    "padded crop": (v2.RandomCrop((60, 70), padding=[4, 6], padding_mode="reflect"), padded_crop),
    "rotation": (v2.RandomRotation(30, BILINEAR, fill=as_bytes((0.2, 0.4, 0.6))), turned),
    "rotation with torchvision's default": (v2.RandomRotation(30, fill=as_bytes((0.2, 0.4, 0.6))), turned),
    "affine with torchvision's default": (v2.RandomAffine(10, (0.1, 0.2), (0.9, 1.4), 5), bent),
    "affine": (v2.RandomAffine(10, (0.1, 0.2), (0.9, 1.4), 5, BILINEAR), bent),
    "some rotated": (v2.RandomApply([v2.RandomRotation(30, BILINEAR)], p=0.5), turned_perhaps),
    "evaluation": (v2.Compose([v2.Resize(56), v2.CenterCrop(48)]), evaluated),
    "of the first version": (v1.Compose([v1.Resize(56), v1.CenterCrop(48)]), evaluated),
    "nested": (nn.Sequential(v2.ToImage(), v2.Compose([v2.Resize([56]), nn.Sequential(v2.CenterCrop(48))])), evaluated),
}


@pytest.mark.parametrize("name", CASES)
def test_with_the_same_parameters_the_pixels_are_torchvisions(smooth, name):
    transform, reference = CASES[name]
    images = lifted(smooth, transform)
    for k in range(BATCH):
        assert psnr_db(images[k], reference(smooth.native, k)) >= 45


def test_a_perspective_with_the_same_corners_is_torchvisions(smooth):
    transform = v2.RandomPerspective(0.4, p=1.0, interpolation=BILINEAR)
    images = lifted(smooth, transform)
    source = generator()
    bound_x, bound_y = int(0.4 * (WIDTH // 2)) + 1, int(0.4 * (HEIGHT // 2)) + 1
    ends = []
    for right, low in ((0, 0), (1, 0), (1, 1), (0, 1)):
        x = source.integer(WIDTH - bound_x, WIDTH) if right else source.integer(0, bound_x)
        y = source.integer(HEIGHT - bound_y, HEIGHT) if low else source.integer(0, bound_y)
        ends.append(torch.stack([x, y], dim=1))
    start = [[0, 0], [WIDTH - 1, 0], [WIDTH - 1, HEIGHT - 1], [0, HEIGHT - 1]]
    for k in range(BATCH):
        end = [e[k].tolist() for e in ends]
        assert psnr_db(images[k], F.perspective(smooth.native, start, end, BILINEAR, fill=0)) >= 45


def test_an_elastic_transform_of_some_samples_is_torchvisions(smooth):
    inner = v2.ElasticTransform(30.0, 6.0)
    plan = plan_of(v2.RandomApply([inner], p=0.5), FRAME)
    canvas = FRAME.canvas(torch.full((BATCH,), HEIGHT), torch.full((BATCH,), WIDTH))
    moved = plan.canvas(canvas, generator())
    assert moved.displacement is not None
    images, chosen = smooth.decode(moved.geometry()), generator().chance(0.5)
    assert chosen.any() and not chosen.all()
    for k in range(BATCH):
        normalised = moved.displacement[k : k + 1].float() / torch.tensor([WIDTH / 2, HEIGHT / 2])
        expected = F.elastic(smooth.native.float(), normalised, BILINEAR, fill=0) if chosen[k] else smooth.native
        assert psnr_db(images[k], expected) >= 45
        assert bool(moved.displacement[k].any()) == bool(chosen[k])


def test_a_batch_is_its_samples_one_by_one(smooth):
    transform = v2.Compose(
        [v2.RandomResizedCrop(40), v2.RandomChoice([v2.RandomRotation(9, BILINEAR), v2.RandomVerticalFlip()])]
    )
    plan = plan_of(transform, FRAME)
    together = lifted(smooth, transform)
    for k in range(BATCH):
        canvas = FRAME.canvas(torch.tensor([HEIGHT]), torch.tensor([WIDTH]))
        alone = plan.canvas(canvas, CounterGenerator(torch.tensor([k]), seed=5, epoch=1))
        assert torch.equal(smooth.decode(alone.geometry())[0], together[k])


def test_dtype_and_normalisation_are_fused_wherever_they_stand():
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.4)
    tail = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std), v2.ToDtype(torch.bfloat16)]
    for steps in ([v2.CenterCrop(8), *tail], [*tail, v2.CenterCrop(8)]):
        plan = plan_of(v2.Compose(steps), FRAME)
        assert plan.batch_transforms == ()
        assert (plan.pixels.dtype, plan.pixels.mean, plan.pixels.std) == (torch.bfloat16, mean, std)
        assert plan.size == (8, 8)


def test_a_fill_is_in_the_units_of_its_place():
    pad, floats = v2.Pad(2, fill=51), v2.ToDtype(torch.float32, scale=True)
    for steps in (
        [pad],
        [floats, v2.Pad(2, fill=0.2)],
        [floats, v2.Normalize([0.5], [0.1]), v2.Pad(2, fill={torch.Tensor: 0, "others": -3.0})],
    ):
        plan = plan_of(v2.Compose(steps), FRAME)
        canvas = plan.canvas(FRAME.canvas(torch.tensor([HEIGHT]), torch.tensor([WIDTH])), generator(1))
        assert canvas.fill == pytest.approx((0.2,))


UNLIFTED = {
    "expand": (v2.RandomRotation(5, BILINEAR, expand=True), "expand=True"),
    "nearest": (v2.Resize(20, InterpolationMode.NEAREST), "interpolation nearest"),
    "nearest crop": (v2.RandomResizedCrop(20, interpolation=InterpolationMode.NEAREST), "interpolation nearest"),
    "bicubic rotation": (v2.RandomRotation(5, InterpolationMode.BICUBIC), "interpolation bicubic"),
    "bicubic": (v2.Resize(20, InterpolationMode.BICUBIC), "interpolation bicubic"),
    "no antialias": (v2.RandomResizedCrop(20, antialias=False), "antialias is off"),
    "unknown": (v2.ColorJitter(0.5), "not a geometric transform"),
    "any callable": (lambda image: image, "not a geometric transform"),
    "raw range": (v2.ToDtype(torch.float32), "scale=False"),
    "normalised bytes": (v2.Normalize([0.5], [0.5]), "not floats"),
    "twice turned": (v2.Compose([v2.RandomRotation(5, BILINEAR), v2.RandomRotation(5, BILINEAR)]), "second step"),
    "crop too large": (v2.RandomCrop(90), "pad_if_needed"),
    "colours inside": (v2.RandomApply([v2.ColorJitter(0.5)]), "not a geometric transform"),
    "a policy": (v2.RandAugment(), "follow one another"),
    "one of a policy": (v2.TrivialAugmentWide(), "geometry for some images"),
    "several crops": (v2.FiveCrop(20), "several images of one"),
    "crops by boxes": (v2.RandomIoUCrop(), "boxes of each image"),
    "double": (v2.ToDtype(torch.float64, scale=True), "float64"),
}


@pytest.mark.parametrize("name", UNLIFTED)
def test_what_cannot_be_lifted_is_said_and_left_with_all_behind_it(name):
    transform, reason = UNLIFTED[name]
    flip = v2.RandomHorizontalFlip()
    plan = plan_of(v2.Compose([flip, transform, flip]), FRAME)
    assert plan.lifted[0] is flip and plan.batch_transforms[-1] is flip and len(plan.batch_transforms) == 2
    assert reason in str(plan.reason) and reason in str(plan)


def test_subclasses_are_not_guessed():
    class Mine(v2.CenterCrop):
        pass

    assert plan_of(Mine(8), FRAME).batch_transforms


def test_the_split_can_be_read():
    text = explain(v2.Compose([v2.RandomResizedCrop(224), v2.ToDtype(torch.float32, scale=True), v2.RandomErasing()]))
    assert (
        text.index("RandomResizedCrop") < text.index("decoded: torch.float32, 224 x 224") < text.index("RandomErasing(")
    )
    assert "because RandomErasing is not lifted" in text


@pytest.mark.parametrize("turn", [v2.RandomRotation(15), v2.RandomAffine(15), v1.RandomRotation(15)])
def test_that_nearest_is_not_followed_is_said_with_the_step(turn):
    note = "nearest, is not followed: networks are evaluated at the exact positions"
    for inner in (turn, v2.RandomApply([turn]), v2.RandomChoice([v2.Identity(), turn])):
        text = explain(v2.Compose([v2.RandomHorizontalFlip(), inner, v2.CenterCrop(8)]))
        flip, crop = (text.index(name) for name in ("RandomHorizontalFlip(", "CenterCrop("))
        assert flip < text.index(note) < crop and text.count(note) == 1
    assert "followed" not in explain(v2.RandomRotation(15, BILINEAR))


def test_samples_of_unlike_size_stay_of_unlike_size_until_cropped():
    assert plan_of(v2.Resize(20)).size is None
    with pytest.raises(GeometryError):
        plan = plan_of(v2.Resize(20))
        plan.canvas(Frame().canvas(torch.tensor([30, 40]), torch.tensor([50, 60])), generator(2)).geometry()
    assert plan_of(v2.Compose([v2.Resize(20), v2.RandomCrop(20)])).size == (20, 20)
    assert plan_of(v2.Resize(36), FRAME).size == (36, 48)


@pytest.mark.parametrize("padding", [None, 2, [1, 2], [1, 2, 3, 4]])
def test_small_images_are_padded_as_torchvision_pads_them(padding):
    transform = v2.RandomCrop((90, 90), padding=padding, pad_if_needed=True)
    sizes = torch.tensor([[72, 96], [30, 31], [89, 120]])
    plan = plan_of(transform, Frame(None, 30))
    canvas = plan.canvas(Frame(None, 30).canvas(sizes[:, 0], sizes[:, 1]), generator(3))
    for k, (height, width) in enumerate(sizes.tolist()):
        params = transform.make_params([torch.zeros(1, height, width)])
        left, top, right, bottom = params["padding"]
        # The source pixel at the output's corner lies where some crop of the padded image could put it.
        x, y = float(canvas.matrices[k, 0, 2]), float(canvas.matrices[k, 1, 2])
        assert -left <= x <= width + right - 90 and -top <= y <= height + bottom - 90


@pytest.mark.parametrize(
    "moving",
    [
        v2.RandomHorizontalFlip(),
        v1.Resize(8),
        v2.Compose([v2.ColorJitter(0.1), v2.RandomApply([v2.RandomRotation(5)])]),
        v2.RandomChoice([v2.Identity(), v2.RandomCrop(8)]),
        v2.FiveCrop(8),
        v2.RandomIoUCrop(),
        v2.TrivialAugmentWide(),
        v2.RandAugment(),
    ],
    ids=lambda t: type(t).__name__,
)
def test_pipelines_that_move_pixels_are_known(moving):
    assert has_geometry(moving)


@pytest.mark.parametrize(
    "still",
    [None, v2.ToDtype(torch.float32), v2.RandomApply([v2.ColorJitter(0.1)]), v2.RandomErasing(), lambda image: image],
    ids=lambda t: type(t).__name__,
)
def test_pipelines_that_leave_pixels_where_they_are_are_known(still):
    assert not has_geometry(still)
