"""Lifted resizing gives exactly torchvision's sizes, whatever the image's."""

import torch
from hypothesis import assume, given, settings, strategies as st
from torchvision import tv_tensors
from torchvision.transforms import v2

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.plan import Frame, plan_of

SIDES = st.integers(1, 3000)


def size_of_torchvision(transform, height, width):
    """Of a transform that leaves nothing to chance; boxes know the size of their image, and need no pixels."""
    boxes = tv_tensors.BoundingBoxes(torch.zeros(0, 4), format="XYXY", canvas_size=(height, width))
    return transform(boxes).canvas_size


def lifted_sizes(transform, height, width):
    """As the lifted transform has it: where all images are of one size, and where they may differ."""
    sizes = set()
    for frame in (Frame((height, width), min(height, width)), Frame()):
        plan = plan_of(transform, frame)
        assert plan.batch_transforms == (), plan.reason
        canvas = frame.canvas(torch.tensor([height]), torch.tensor([width]))
        canvas = plan.canvas(canvas, CounterGenerator(torch.arange(1), seed=0, epoch=0))
        sizes.add((float(canvas.height), float(canvas.width)))
        assert canvas.size is None or canvas.size == (int(canvas.height), int(canvas.width))
    return sizes


def assert_sized_alike(transform, height, width):
    expected = size_of_torchvision(transform, height, width)
    assume(min(expected) > 0)  # torchvision has no pixels for those
    assert lifted_sizes(transform, height, width) == {expected}


@settings(deadline=None)
@given(height=SIDES, width=SIDES, side=st.integers(1, 600), room=st.none() | st.integers(1, 600))
def test_resize_to_a_shorter_side(height, width, side, room):
    max_size = None if room is None else side + room
    assert_sized_alike(v2.Resize(side, max_size=max_size), height, width)


@settings(deadline=None)
@given(height=SIDES, width=SIDES, side=st.integers(1, 600))
def test_resize_to_a_longer_side(height, width, side):
    assert_sized_alike(v2.Resize(None, max_size=side), height, width)


@settings(deadline=None)
@given(height=SIDES, width=SIDES, side=st.integers(1, 600))
def test_random_resize_to_the_side_drawn(height, width, side):
    assert_sized_alike(v2.RandomResize(side, side + 1), height, width)


@settings(deadline=None)
@given(height=SIDES, width=SIDES, side=st.integers(1, 600), max_size=st.none() | st.integers(1, 1200))
def test_random_shortest_size_of_the_side_drawn(height, width, side, max_size):
    assert_sized_alike(v2.RandomShortestSize([side], max_size=max_size), height, width)


@settings(deadline=None)
@given(
    height=SIDES,
    width=SIDES,
    target=st.tuples(st.integers(1, 600), st.integers(1, 600)),
    scale=st.just(1.0) | st.floats(0.1, 2.0),
)
def test_scale_jitter_of_the_scale_drawn(height, width, target, scale):
    assert_sized_alike(v2.ScaleJitter(target, (scale, scale)), height, width)


@settings(deadline=None)
@given(height=SIDES, width=SIDES, side=st.floats(1.0, 4.0))
def test_zooming_out_by_the_share_drawn(height, width, side):
    assert_sized_alike(v2.RandomZoomOut(side_range=(side, side), p=1.0), height, width)
