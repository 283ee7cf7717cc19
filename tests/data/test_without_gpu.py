"""Batches on a CUDA device that is not there: nothing in an epoch waits for it.

(Of a shuffled one the order is drawn on the device, and read before the first batch.)
"""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_leaves
from torchvision import tv_tensors
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader
from inrformat.data import loader as loading
from inrformat.decoding import dispatch
from inrformat.decoding.availability import Backend

from ..fake_cuda import CUDA, FakeCuda, fake_cuda

NORMALIZE = [v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5], [0.2])]
PIPELINES = {
    "crop and flip": [v2.RandomResizedCrop(16), v2.RandomHorizontalFlip(), *NORMALIZE],
    "evaluation": [v2.Resize(20), v2.CenterCrop(16), *NORMALIZE],
    "rotation": [v2.Resize(20), v2.RandomRotation(20), v2.CenterCrop(16), *NORMALIZE],
    "affine": [v2.Resize((20, 20)), v2.RandomAffine(10, (0.1, 0.1), (0.9, 1.1), 5), *NORMALIZE],
    "elastic": [v2.Resize((20, 20)), v2.ElasticTransform(20.0, 2.0), *NORMALIZE],
    "chance": [v2.RandomApply([v2.RandomRotation(20)], p=0.3), v2.Resize((16, 16)), *NORMALIZE],
}


@pytest.fixture
def cuda(monkeypatch) -> Iterator[FakeCuda]:
    monkeypatch.setattr(loading, "checked_device", lambda name: CUDA)
    monkeypatch.setattr(dispatch, "backend_for", lambda device, *, wanted: Backend("triton", "cuda"))
    with fake_cuda() as cuda:
        yield cuda


def loaded(cuda: FakeCuda, path, transform, **options) -> InrdLoader:
    """A loader whose first batch was made: its kernels would be compiled and its scratch allocated."""
    with cuda.loading():
        loader = InrdLoader(InrdDataset(path), 5, transform=v2.Compose(transform), prefetch=0, **options)
        next(iter(loader))
    cuda.forget()
    return loader


@pytest.mark.parametrize("name", PIPELINES)
def test_an_epoch_waits_for_nothing(cuda, tile_file, name):
    batches = list(loaded(cuda, tile_file, PIPELINES[name]))
    assert len(batches) == 3 and len(cuda.launches) >= 6
    for images, targets in batches:
        assert images.device == targets.device == CUDA
        assert images.shape[1] == 3 and images.dtype == torch.float32


@pytest.mark.parametrize("options", [{"residency": "pinned"}, {"residency": "mmap"}, {"budget_bytes": 3000}])
def test_records_that_are_sent_by_the_batch_make_nothing_wait(cuda, tile_file, options):
    loader = loaded(cuda, tile_file, PIPELINES["crop and flip"], **options)
    assert len(list(loader)) == 3 and cuda.launches
    sizes = {launch.arguments["word_count"] for launch in cuda.launches if "word_count" in launch.arguments}
    assert len(sizes) >= 3, "each batch sends what it needs"


def test_two_views_wait_for_nothing(cuda, tile_file):
    loader = loaded(cuda, tile_file, PIPELINES["crop and flip"], views=2)
    for images, _ in loader:
        assert [view.device for view in images] == [CUDA, CUDA]


def test_boxes_move_with_their_images_and_nothing_waits(cuda, box_file, monkeypatch):
    # What pretends to be on a device cannot be of two subclasses of a tensor.
    monkeypatch.setattr(tv_tensors, "wrap", lambda tensor, *, like: tensor)
    loader = loaded(cuda, box_file, PIPELINES["rotation"])
    ((images, targets),) = list(loader)
    assert images.device == CUDA
    assert [tuple(target["boxes"].shape) for target in targets] == [(2, 4), (0, 4), (3, 4)]
    assert {leaf.device for leaf in tree_leaves(targets) if isinstance(leaf, torch.Tensor)} == {CUDA}
    assert cuda.operations.count("_to_copy") < 20, "targets are sent together"


def test_images_that_differ_in_size_are_grouped_without_waiting(cuda, unlike_file):
    transform = v2.Compose([v2.Resize(12), *NORMALIZE])
    with cuda.loading():
        maker = InrdLoader(InrdDataset(unlike_file), transform=transform, collate="list", prefetch=0)._maker
        maker.make(maker.draw(np.arange(2), np.zeros(2, np.int64), epoch=0))
    cuda.forget()
    (images,) = maker.make(maker.draw(np.arange(7), np.zeros(7, np.int64), epoch=0)).images
    sizes = {tuple(image.shape) for image in images}
    assert len(sizes) > 1 and {min(height, width) for _, height, width in sizes} == {12}
    assert cuda.launches
