"""Every transform that is lifted does to a picture what torchvision does, in geometry and in distribution.

Both are applied to the same smooth picture many times. What is random is compared by the distributions of output sizes
and of pixels at fixed places of the output, which any difference of geometry would shift; what is not, pixel by pixel.
"""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import stats
from torch import nn
from torchvision import models, transforms as v1, tv_tensors
from torchvision.transforms import InterpolationMode, v2

from inrformat.data.forms import takes_pil
from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms import lifting
from inrformat.data.transforms.plan import Frame, plan_of
from inrformat.decoding.dispatch import decode
from inrformat.decoding.same_size import same_size_groups

HEIGHT, WIDTH = 72, 96
FRAME = Frame((HEIGHT, WIDTH), HEIGHT)
DRAWS = 300
PLACES = ((0.05, 0.06), (0.3, 0.8), (0.5, 0.5), (0.75, 0.2), (0.96, 0.9))
"""Rows and columns that are looked at, as parts of the output's height and width."""
BLUR = 0.06
"""Noise on pixels in [0, 1] before distributions are compared: evaluation and interpolation differ by far less."""
REFUSED = 1e-4
BILINEAR = InterpolationMode.BILINEAR
FLOATS = v2.ToDtype(torch.float32, scale=True)

LIFTED = [
    v2.Resize(40),
    v1.Resize((50, 60)),
    v2.Resize(40, max_size=50),
    v2.Resize(None, max_size=61),
    v2.RandomResize(20, 60),
    v2.RandomShortestSize([24, 36, 48], max_size=60),
    v2.RandomShortestSize(30),
    v2.ScaleJitter((50, 60), (0.3, 1.7)),
    v2.CenterCrop(30),
    v1.CenterCrop((40, 110)),
    v2.RandomResizedCrop(32),
    v1.RandomResizedCrop((24, 40), scale=(0.3, 0.6)),
    v2.RandomCrop((40, 50), padding=6, fill=90),
    v1.RandomCrop(80, pad_if_needed=True, padding_mode="reflect"),
    v2.Pad([3, 5], fill=40),
    v1.Pad(9, padding_mode="edge"),
    v2.RandomZoomOut(fill=120, side_range=(1.0, 2.5), p=0.7),
    v2.RandomHorizontalFlip(0.3),
    v1.RandomHorizontalFlip(0.8),
    v2.RandomVerticalFlip(0.6),
    v1.RandomVerticalFlip(),
    v2.RandomRotation(40, BILINEAR),
    v1.RandomRotation((10, 30), BILINEAR, fill=70),
    v2.RandomAffine(20, (0.1, 0.2), (0.7, 1.3), (-8, 8, -5, 5), BILINEAR),
    v1.RandomAffine(10, scale=(0.9, 1.4), interpolation=BILINEAR),
    v2.RandomPerspective(0.5, p=0.8),
    v1.RandomPerspective(0.3, p=1.0),
    v2.ElasticTransform(40.0, 4.0),
    v1.ElasticTransform(30.0, 5.0),
    v2.RandomApply([v2.RandomRotation(30, BILINEAR)], p=0.6),
    v1.RandomApply([v1.RandomCrop(72)], p=0.5),
    v2.RandomChoice([v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0), v2.Identity()], p=[1, 2, 1]),
    v1.RandomChoice([v1.RandomHorizontalFlip(1.0), v1.RandomVerticalFlip(1.0)]),
    v2.ToImage(),
    v2.PILToTensor(),
    v1.PILToTensor(),
    v2.Identity(),
    nn.Identity(),
    FLOATS,
    v2.ConvertImageDtype(torch.float32),
    v1.ConvertImageDtype(torch.float32),
    v2.ToTensor(),
    v1.ToTensor(),
    v2.Compose([FLOATS, v2.Normalize([0.4, 0.5, 0.6], [0.5, 0.6, 0.7])]),
    v1.Compose([v1.ToTensor(), v1.Normalize([0.4], [0.5])]),
    models.ResNet18_Weights.DEFAULT.transforms(),
    v2.Compose([v2.RandomResizedCrop(40), v2.RandomHorizontalFlip(), v2.RandomRotation(9, BILINEAR, fill=80)]),
]


def classes_in(transform: Any) -> Iterator[type]:
    """Of a transform and of those inside it."""
    yield type(transform)
    for inner in getattr(transform, "transforms", ()):
        yield from classes_in(inner)


def test_every_lifter_has_a_case_here():
    covered = {kind for transform in LIFTED for kind in classes_in(transform)}
    assert set(lifting._LIFTERS) <= covered


def ours(smooth: Any, transform: Any, count: int) -> list[torch.Tensor]:
    """What the lifted transform makes of the picture, ``count`` times."""
    plan = plan_of(transform, FRAME)
    assert plan.batch_transforms == (), plan.reason
    sizes = (torch.full((count,), side) for side in (HEIGHT, WIDTH))
    canvas = plan.canvas(FRAME.canvas(*sizes), CounterGenerator(torch.arange(count), seed=4, epoch=0))
    images: dict[int, torch.Tensor] = {}
    for group in same_size_groups(canvas):
        rows = torch.zeros(len(group.places), dtype=torch.int64)
        batch = decode(smooth.records, rows, group.geometry, plan.pixels)
        images.update(zip(group.places.tolist(), batch, strict=True))
    return [in_range(images[k]) for k in range(count)]


def theirs(smooth: Any, transform: Any, count: int) -> list[torch.Tensor]:
    """What torchvision makes of it."""
    image = tv_tensors.Image((smooth.native * 255).round().to(torch.uint8))
    first = transform.transforms[0] if isinstance(transform, v1.Compose) else transform
    given = Image.fromarray(image.permute(1, 2, 0).numpy()) if takes_pil(first) else image
    torch.manual_seed(7)
    random.seed(7)  # which the first version's RandomChoice draws from
    return [in_range(transform(given)) for _ in range(count)]


def in_range(image: torch.Tensor) -> torch.Tensor:
    """As plain floats; bytes become parts of 255."""
    return image.as_subclass(torch.Tensor).double() / (255 if image.dtype == torch.uint8 else 1)


def features(images: list[torch.Tensor]) -> np.ndarray:
    """Heights, widths, and the pixels at `PLACES`: ``(2 + 3 * places, images)``."""
    rows = []
    for image in images:
        height, width = image.shape[1:]
        pixels = [image[:, int(y * height), int(x * width)] for y, x in PLACES]
        rows.append([height, width, *torch.cat(pixels).tolist()])
    return np.array(rows).T


@pytest.mark.parametrize("transform", LIFTED, ids=lambda t: f"{type(t).__module__.split('.')[2]} {type(t).__name__}")
def test_it_does_to_a_picture_what_torchvision_does(smooth, transform):
    few = theirs(smooth, transform, 4)
    if all(image.shape == few[0].shape and torch.equal(image, few[0]) for image in few):
        (image,) = ours(smooth, transform, 1)
        assert image.shape == few[0].shape
        assert -10 * torch.log10((image - few[0]).square().mean()) > 40
        return
    noise = np.random.default_rng(1)
    mine, expected = (features(make(smooth, transform, DRAWS)) for make in (ours, theirs))
    for ours_of, theirs_of in zip(mine, expected, strict=True):
        blurred = [values + noise.uniform(-BLUR, BLUR, DRAWS) for values in (ours_of, theirs_of)]
        assert stats.ks_2samp(*blurred).pvalue > REFUSED
