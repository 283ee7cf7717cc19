"""Random parameters are distributed as torchvision's own: two-sample tests on what the pipelines draw."""

import numpy as np
import pytest
import torch
import torchvision
from packaging.version import Version
from scipy import stats
from torchvision import tv_tensors
from torchvision.transforms import v2

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.crops import random_resized_box
from inrformat.data.transforms.plan import Frame, plan_of

SAMPLES = 20_000
REFUSED = 1e-3


def alike(ours, theirs):
    """Whether two samples may be of one distribution: Kolmogorov and Smirnov's test, at 1 in 1000."""
    return stats.ks_2samp(np.asarray(ours), np.asarray(theirs)).pvalue > REFUSED


def boxes_of_torchvision(transform, height, width, count=SAMPLES):
    torch.manual_seed(1)
    image = [tv_tensors.Image(torch.zeros(1, height, width))]
    params = [transform.make_params(image) for _ in range(count)]
    return np.array([[p[k] for k in ("top", "left", "height", "width")] for p in params], float).T


@pytest.mark.parametrize(
    "size,options",
    [
        ((375, 500), {}),
        ((32, 32), {}),
        ((60, 20), {"scale": (0.5, 1.0)}),
        ((100, 1000), {"scale": (0.6, 1.0)}),  # mostly the fallback
        ((90, 120), {"scale": (0.2, 0.9), "ratio": (0.4, 0.9)}),
    ],
)
def test_random_resized_crops_have_torchvisions_areas_aspects_and_places(size, options):
    height, width = size
    transform = v2.RandomResizedCrop(224, **options)
    top, left, h, w = boxes_of_torchvision(transform, height, width)
    heights, widths = (torch.full((SAMPLES,), float(s), dtype=torch.float64) for s in size)
    generator = CounterGenerator(torch.arange(SAMPLES), seed=0, epoch=0)
    box = random_resized_box(heights, widths, generator, scale=transform.scale, ratio=transform.ratio)
    our_top, our_left, our_h, our_w = (b.numpy() for b in box)
    assert ((our_top >= 0) & (our_left >= 0) & (our_top + our_h <= height) & (our_left + our_w <= width)).all()
    assert alike(our_h * our_w, h * w)
    assert alike(our_w / our_h, w / h)
    assert alike(our_top, top) and alike(our_left, left)
    assert alike(our_top / np.maximum(height - our_h, 1), top / np.maximum(height - h, 1))
    assert alike(our_left + our_w / 2, left + w / 2)


@pytest.mark.parametrize("size", [(100, 1000), (1000, 100), (50, 51)])
def test_where_no_try_fits_the_crop_is_torchvisions_fallback(size):
    transform = v2.RandomResizedCrop(8, scale=(4.0, 5.0))
    heights, widths = (torch.tensor([float(s)], dtype=torch.float64) for s in size)
    generator = CounterGenerator(torch.arange(1), seed=0, epoch=0)
    box = random_resized_box(heights, widths, generator, scale=transform.scale, ratio=transform.ratio)
    assert [float(b) for b in box] == boxes_of_torchvision(transform, size[0], size[1], count=1)[:, 0].tolist()


def matrices(transform, size, count=4000):
    """Matrices (count, 3, 3) of the lifted transform."""
    plan = plan_of(transform, Frame(size, min(size)))
    assert plan.batch_transforms == ()
    sizes = [torch.full((count,), s) for s in size]
    return plan.canvas(
        Frame(size, min(size)).canvas(*sizes), CounterGenerator(torch.arange(count), seed=0, epoch=0)
    ).matrices


def params(transform, size, count=4000):
    torch.manual_seed(2)
    image = [tv_tensors.Image(torch.zeros(1, *size))]
    return [transform.make_params(image) for _ in range(count)]


def test_random_crops_lie_where_torchvisions_do():
    transform = v2.RandomCrop(24, padding=[3, 5])
    ours, theirs = matrices(transform, (40, 30)), params(transform, (40, 30))
    assert alike(ours[:, 0, 2], [p["left"] - 3 for p in theirs])
    assert alike(ours[:, 1, 2], [p["top"] - 5 for p in theirs])


MODES = [v2.InterpolationMode.NEAREST, v2.InterpolationMode.BILINEAR]


@pytest.mark.parametrize("mode", MODES)
def test_rotations_turn_as_far(mode):
    transform = v2.RandomRotation((-20, 70), interpolation=mode)
    m = matrices(transform, (40, 30))
    ours = torch.rad2deg(torch.atan2(-m[:, 0, 1], m[:, 0, 0]))
    assert alike(ours, [p["angle"] for p in params(transform, (40, 30))])


@pytest.mark.parametrize("mode", MODES)
def test_affine_maps_scale_and_shift_as_far(mode):
    transform = v2.RandomAffine(0, translate=(0.2, 0.4), scale=(0.5, 2.0), interpolation=mode)
    m, theirs = matrices(transform, (40, 30)), params(transform, (40, 30))
    assert alike(1 / m[:, 0, 0], [p["scale"] for p in theirs])
    shift = 15 - (15 - m[:, 0, 2]) / m[:, 0, 0]  # of the frame's middle
    assert alike((-shift).round(), [p["translate"][0] for p in theirs])


def test_flips_choices_and_applications_hit_their_share():
    turn = v2.RandomHorizontalFlip(p=1.0)
    for transform, share in (
        (v2.RandomHorizontalFlip(0.3), 0.3),
        (v2.RandomApply([turn], p=0.7), 0.7),
        (v2.RandomChoice([turn, v2.Identity()], p=[1, 3]), 0.25),
        (v2.RandomChoice([v2.Identity(), turn, v2.Identity()]), 1 / 3),
    ):
        flipped = (matrices(transform, (40, 30), SAMPLES)[:, 0, 0] < 0).double().mean()
        assert abs(float(flipped) - share) < 0.015


def test_corners_move_as_far_under_perspective():
    transform = v2.RandomPerspective(distortion_scale=0.6, p=1.0)
    m = matrices(transform, (40, 30))
    # Where the middle of the output looks: a summary of all eight corner coordinates.
    middle = m @ torch.tensor([15.0, 20.0, 1.0], dtype=torch.float64)
    ours = middle[:, :2] / middle[:, 2:]
    coefficients = np.array([p["coefficients"] for p in params(transform, (40, 30))])
    a, b, c, d, e, f, g, h = coefficients.T
    w = g * 15 + h * 20 + 1
    assert alike(ours[:, 0], (a * 15 + b * 20 + c) / w)
    assert alike(ours[:, 1], (d * 15 + e * 20 + f) / w)


@pytest.mark.slow
@pytest.mark.skipif(
    Version(torchvision.__version__) < Version("0.26"),
    reason="torchvision before 0.26 divides horizontal displacements by the height (pytorch/vision issue 9299)",
)
def test_elastic_displacements_are_as_large_and_as_smooth():
    transform = v2.ElasticTransform(alpha=[40.0, 20.0], sigma=[3.0, 5.0])
    size = (32, 40)
    frame = Frame(size, 32)
    plan = plan_of(transform, frame)
    canvas = frame.canvas(*(torch.full((300,), s) for s in size))
    ours = plan.canvas(canvas, CounterGenerator(torch.arange(300), seed=0, epoch=0)).displacement
    assert ours is not None
    theirs = torch.cat([p["displacement"] for p in params(transform, size, 300)]) * torch.tensor([20.0, 16.0])
    for axis in (0, 1):
        assert float(ours[..., axis].std() / theirs[..., axis].std()) == pytest.approx(1, abs=0.05)
        steps = [(t[:, :, 1:, axis] - t[:, :, :-1, axis]).std() for t in (ours, theirs)]
        assert float(steps[0] / steps[1]) == pytest.approx(1, abs=0.05)
        assert float(abs(ours[..., axis].mean())) < 0.1 * float(ours[..., axis].std())
