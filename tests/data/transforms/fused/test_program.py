"""The compiled step draws what torch draws, bit for bit: numba's, and Triton's in its interpreter or on a GPU."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings, strategies as st
from torchvision.transforms import InterpolationMode, v2

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.fused import triton_kernel
from inrformat.data.transforms.fused.batch import Counters, Sides
from inrformat.data.transforms.plan import Frame, plan_of

BILINEAR = InterpolationMode.BILINEAR
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PIPELINES = {
    "crop and flips": [v2.RandomResizedCrop(24), v2.RandomHorizontalFlip(), v2.RandomVerticalFlip(0.3)],
    "crops that seldom fit": [v2.RandomResizedCrop((10, 30), (0.9, 1), (2, 4))],
    "rotation": [v2.RandomResizedCrop(24, (0.5, 1)), v2.RandomRotation((-30, 100), BILINEAR), v2.Resize((9, 30))],
    "affine": [
        v2.Resize((32, 40)),
        v2.RandomAffine(20, (0.1, 0.2), (0.8, 1.2), (-5, 4, 3, 9), BILINEAR, fill=0.5),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True),
    ],
    "short side and centre": [v2.Resize(40), v2.CenterCrop((33, 40)), v2.RandomRotation(5)],
    "padded crop": [v2.Resize((32, 40)), v2.RandomCrop(30, padding=[4, 1]), v2.RandomHorizontalFlip()],
    "crop of a resized image": [v2.Resize(50), v2.RandomCrop((40, 50)), v2.Resize(20), v2.Pad((1, 2, 3, 4), fill=0.2)],
    "affine about a point": [v2.RandomAffine(20, center=[3, 4]), v2.RandomResizedCrop(20)],
}
SIDES = torch.from_numpy(np.random.default_rng(0).integers(1, 700, (2, 10_000), np.int32))
FRAMES = [Frame(), Frame((50, 70), 50)]
NAMES = ("height", "width", "matrices", "windows", "feather")


class Draw(NamedTuple):
    """What a batch is drawn for; ``samples``: numbers, and how often each came before."""

    samples: list[tuple[int, int]]
    seed: int
    epoch: int
    view: int


draws = st.builds(
    Draw,
    st.lists(st.tuples(st.integers(0, 9_999), st.integers(0, 5_000)), min_size=1, max_size=20),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**25),
    st.integers(0, 255),
)
SEVERAL_PROGRAMS = Draw([(k, k) for k in range(40)], 2**63 + 1, 3, 255)


def counters(samples, *, seed, epoch):
    """`Counters` of samples and how often they came before."""
    numbers, occurrences = torch.tensor(samples, dtype=torch.int64).T.contiguous()
    key = torch.from_numpy(np.array([seed, epoch], np.uint64).view(np.int64))
    return Counters(key, numbers, occurrences)


def on_triton(program, given, sides, *, view):
    """The canvas of Triton's kernel, on the host."""
    given, sides = (type(tensors)(*(t.to(DEVICE) for t in tensors)) for tensors in (given, sides))
    frames = triton_kernel.run(given, sides, entries=program.entries, settings=program.settings_on(DEVICE), view=view)
    return replace(program.result, **{name: tensor.cpu() for name, tensor in frames._asdict().items()})


def on_cpu(program, given, sides, *, view):
    return program.canvas(given, sides, view=view)


def assert_torch_draws_the_same(run, name, frame, draw):
    samples, seed, epoch, view = draw
    plan, given = plan_of(v2.Compose(PIPELINES[name]), frame), counters(samples, seed=seed, epoch=epoch)
    assert plan.program is not None
    sides = Sides(*(SIDES if frame.size is None else (torch.full((10_000,), s, dtype=torch.int32) for s in frame.size)))
    generator = CounterGenerator(given.samples, seed=seed, epoch=epoch, occurrences=given.occurrences, view=view)
    expected = plan.canvas(frame.canvas(*(side[given.samples] for side in sides)), generator)
    drawn = run(plan.program, given, sides, view=view)
    for tensor in NAMES:
        bits, expected_bits = (getattr(c, tensor).contiguous().view(torch.int64) for c in (drawn, expected))
        assert torch.equal(bits, expected_bits), tensor
    for fact in ("size", "shortest", "aligned", "padding_mode", "fill"):
        assert getattr(drawn, fact) == getattr(expected, fact)


@pytest.mark.parametrize("name", PIPELINES)
@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FRAMES), draws)
def test_numba_draws_what_torch_draws(name, frame, draw):
    assert_torch_draws_the_same(on_cpu, name, frame, draw)


@pytest.mark.slow
@pytest.mark.parametrize("name", PIPELINES)
@settings(max_examples=6, deadline=None)
@given(st.sampled_from(FRAMES), draws)
@example(FRAMES[0], SEVERAL_PROGRAMS)
def test_triton_draws_what_torch_draws(name, frame, draw):
    assert_torch_draws_the_same(on_triton, name, frame, draw)


def test_counters_changed_in_place_change_what_is_drawn():
    program = plan_of(v2.Compose(PIPELINES["crop and flips"])).program
    assert program is not None
    given = counters([(3, 0), (4, 0)], seed=1, epoch=0)
    before = program.canvas(given, Sides(*SIDES)).matrices
    for tensor, value in ((given.key[:1], 2), (given.key[1:], 1), (given.samples, 9), (given.occurrences, 1)):
        kept = tensor.clone()
        tensor.fill_(value)
        assert not torch.equal(program.canvas(given, Sides(*SIDES)).matrices, before)
        tensor.copy_(kept)
    assert torch.equal(program.canvas(given, Sides(*SIDES)).matrices, before)


@pytest.mark.parametrize(
    "transform",
    [
        v2.RandomPerspective(),
        v2.RandomApply([v2.RandomHorizontalFlip()]),
        v2.RandomResize(20, 30),
        v2.CenterCrop(60),
        v2.RandomCrop(60, pad_if_needed=True),
        v2.Resize(30, max_size=40),
    ],
)
def test_what_has_no_words_in_the_compiled_step_is_left_to_torch(transform):
    plan = plan_of(transform, Frame((50, 70), 50))
    assert plan.lifted and plan.program is None


def test_a_device_without_the_compiled_step_is_told_apart():
    program = plan_of(v2.Compose(PIPELINES["rotation"])).program
    assert program is not None and program.runs_on(torch.device("cpu")) and not program.runs_on(torch.device("meta"))
