"""Batches from numbers on the device give what the loader gives; on a GPU also from a CUDA graph."""

import pytest
import torch
from torch.utils.data import BatchSampler, RandomSampler, SequentialSampler
from torchvision.transforms import InterpolationMode, v2

from inrformat import InrdLoader
from inrformat.errors import UsageError

USUAL = v2.Compose(
    [
        v2.RandomResizedCrop(24, scale=(0.3, 1)),
        v2.RandomHorizontalFlip(),
        v2.RandomRotation(20, InterpolationMode.BILINEAR),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.5] * 3, [0.2] * 3),
    ]
)


def loaded(path, batch_size=5, *, device="cpu", transform=USUAL, **options):
    return InrdLoader(path, batch_size, device=device, transform=transform, **options)


def assert_same(batch, expected):
    for one, other in zip(batch, expected, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": True, "seed": 2**64 - 3},
        {"indices": [3, 3, 7, 1, 3, 3, 9], "batch_size": 3},
        {"sampler": SequentialSampler(range(11))},
        {"memory_format": torch.channels_last, "dtype": torch.bfloat16},
    ],
)
def test_a_step_gives_the_loaders_full_batches_of_every_epoch(tile_file, options):
    step = loaded(tile_file, **options).step()
    loader = loaded(tile_file, drop_last=True, **options)
    assert len(step) == len(loader) == 2
    for epoch in (0, 1, 5):
        loader.set_epoch(epoch)
        step.begin(epoch)
        for expected in loader:
            assert_same(step(), expected)


def test_views_of_a_step_have_draws_of_their_own(tile_file):
    (first, second), labels = loaded(tile_file, views=2).step()()
    (expected, other), expected_labels = next(iter(loaded(tile_file, views=2)))
    assert_same((first, second, labels), (expected, other, expected_labels))
    assert not torch.equal(first, second)


def test_behind_the_last_batch_the_epoch_begins_again(tile_file):
    step = loaded(tile_file, 6).step()
    first, second = step(), step()
    assert_same(step(), first)
    assert not torch.equal(first[0], second[0])


def test_a_step_leaves_the_loader_where_it_is(tile_file):
    loader = loaded(tile_file, shuffle=True)
    step = loader.step()
    step.begin(7)
    step()
    assert loader.state_dict() == {"epoch": 0, "position": 0, "seed": 0}


@pytest.mark.parametrize(
    "reason,options",
    [
        ("all on the device", {"residency": "mmap"}),
        ("ColorJitter draws", {"transform": v2.Compose([USUAL.transforms[0], v2.ColorJitter(0.4)])}),
        ("compiled step cannot", {"transform": v2.RandomPerspective()}),
        ("on the host", {"collate": "list"}),
        ("batch_sampler", {"batch_size": 1, "batch_sampler": BatchSampler(SequentialSampler(range(12)), 4, False)}),
        ("lower the batch size", {"batch_size": 13}),
    ],
)
def test_what_needs_the_host_is_refused_and_why(tile_file, reason, options):
    with pytest.raises(UsageError, match=reason):
        loaded(tile_file, **options).step()


def test_targets_that_are_no_numbers_are_refused(box_file):
    with pytest.raises(UsageError, match="targets"):
        loaded(box_file, 2).step()


def test_a_sampler_that_gives_another_number_of_batches_is_refused(tile_file):
    sampler = RandomSampler(range(12), num_samples=10)
    step = loaded(tile_file, sampler=sampler).step()
    sampler._num_samples = 5
    with pytest.raises(UsageError, match="epoch 1 has 1 batches"):
        step.begin(1)


@pytest.mark.gpu
def test_a_cuda_graph_gives_the_batches_of_every_epoch(tile_file):
    loader = loaded(tile_file, shuffle=True, drop_last=True, device="cuda", prefetch=0)
    step = loader.step()
    step()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        batch = step()
    for epoch in (0, 3):
        loader.set_epoch(epoch)
        step.begin(epoch)
        for expected in loader:
            graph.replay()
            assert_same(batch, expected)
