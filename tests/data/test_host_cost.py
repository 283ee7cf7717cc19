"""How many operations the host queues for a batch: at a million images a second they take as long as the GPU."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import InterpolationMode, v2

from inrformat import InrdLoader
from inrformat.data import batches
from inrformat.data.transforms.fused import program, triton_kernel

MOST = 30
OF_CUDA_ALONE = 4
"""Pinning what is sent and sending it; images and targets noted as those of another stream."""
CROP = [v2.RandomResizedCrop(24), v2.RandomHorizontalFlip()]
ROTATION = [v2.RandomRotation(20, InterpolationMode.BILINEAR)]
PIXELS = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5] * 3, [0.2] * 3)]


class Operations(TorchDispatchMode):
    """Counts what torch is asked for, by name."""

    def __init__(self):
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names[str(function)] += 1
        return function(*args, **(kwargs or {}))


def queued_for_a_batch(path, transform, *, launched=None, **options):
    """Names of the operations of a loader's second batch: the first makes what is made once.

    ``launched``: to be emptied when the second begins.
    """
    repeated = [*range(12)] * 12  # small batches share what they draw
    loader = InrdLoader(
        path, 64, shuffle=True, indices=repeated, device="cpu", prefetch=0, transform=transform, **options
    )
    made = iter(loader)
    next(made)
    if launched is not None:
        launched.clear()
    with Operations() as counted:
        next(made)
    return counted.names


@pytest.fixture
def on_triton(monkeypatch):
    """Loaders draw and decode by Triton's kernels, which do nothing here but add their name to this list."""
    if torch.cuda.is_available():
        # With a GPU kernels are compiled and run: there is no interpreter whose launches could be counted.
        pytest.skip("counts what Triton's interpreter would be given")
    from triton.runtime import interpreter

    from inrformat.decoding.triton import launch

    launched: list[str] = []
    monkeypatch.setattr(
        interpreter.GridExecutor, "__call__", lambda executor, *_, **__: launched.append(executor.fn.__name__)
    )
    monkeypatch.setattr(program, "_runner", lambda _device: triton_kernel.run)
    monkeypatch.setattr(batches, "decode_views", launch.decode_views)
    return launched


@pytest.mark.parametrize("geometry", [CROP, CROP + ROTATION], ids=["crop and flip", "rotation"])
def test_a_batch_takes_few_operations_and_launches(tile_file, on_triton, geometry):
    names = queued_for_a_batch(tile_file, v2.Compose([*geometry, *PIXELS]), launched=on_triton)
    assert on_triton.count("draw_kernel") == 1
    assert names.total() + len(on_triton) <= MOST - OF_CUDA_ALONE, (names, on_triton)


def test_a_step_for_cuda_graphs_takes_few_operations_and_launches(tile_file, on_triton):
    step = InrdLoader(tile_file, 4, device="cpu", transform=v2.Compose([*CROP, *PIXELS])).step()
    step()
    on_triton.clear()
    with Operations() as counted:
        step()
    assert counted.names.total() + len(on_triton) <= MOST, (counted.names, on_triton)


@pytest.mark.parametrize("options", [{}, {"memory_format": torch.channels_last}])
def test_a_batch_of_crops_and_flips_takes_few_operations(tile_file, options):
    names = queued_for_a_batch(tile_file, v2.Compose([*CROP, *PIXELS]), **options)
    assert names.total() <= MOST, names.most_common()


def test_the_count_sees_what_torch_draws(tile_file):
    names = queued_for_a_batch(tile_file, v2.Compose([*CROP, v2.RandomApply([v2.RandomVerticalFlip()]), *PIXELS]))
    assert names.total() > 5 * MOST
