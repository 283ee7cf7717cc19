"""Ranks of real process groups share an epoch, also one that others began."""

from itertools import islice
from typing import Any

import pytest
import torch
import torch.distributed
from torch.multiprocessing.spawn import spawn
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader

pytestmark = pytest.mark.slow

RANDOM = v2.Compose([v2.RandomResizedCrop(16), v2.RandomHorizontalFlip()])


def rank_of(rank, world, path, folder, options):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    loader = InrdLoader(InrdDataset(path, target="name"), device="cpu", transform=RANDOM, **options)
    batches = list(loader)
    torch.save((len(loader), batches, loader.state_dict()), f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def ranks(path, folder, world, **options):
    """Of each rank: its len and {sample name: image}."""
    folder.mkdir()
    spawn(rank_of, (world, str(path), str(folder), options), nprocs=world)
    results = [torch.load(folder / f"{r}.pt", weights_only=True) for r in range(world)]
    return [
        (count, [(n, i) for images, names in batches for n, i in zip(names, images, strict=True)], len(batches))
        for count, batches, _ in results
    ]


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_share_an_epoch_and_see_the_pixels_that_one_process_sees(tile_file, tmp_path, world):
    alone = InrdLoader(InrdDataset(tile_file, target="name"), 12, device="cpu", transform=RANDOM)
    images, names = next(iter(alone))
    expected = dict(zip(names, images, strict=True))
    evaluated = ranks(tile_file, tmp_path / "exact", world, batch_size=5)
    assert sorted(n for _, samples, _ in evaluated for n, _ in samples) == sorted(expected)
    trained = ranks(tile_file, tmp_path / "even", world, batch_size=2, shuffle=True, indices=list(range(11)))
    counts = [len(samples) for _, samples, _ in trained]
    assert counts == [11 // world] * world
    for count, samples, batches in evaluated + trained:
        assert count == batches
        assert all(torch.equal(image, expected[name]) for name, image in samples)
    flat = [n for _, samples, _ in trained for n, _ in samples]
    assert len(set(flat)) == len(flat)


CASES = {"even": True, "exact": False}
COMMON: dict[str, Any] = {"shuffle": True, "seed": 3, "device": "cpu", "transform": RANDOM, "prefetch": 2}
COUNT, EPOCH = 11, 1


def resumed_rank(rank, world, path, folder, given):
    """Epoch ``EPOCH`` in each of ``CASES``: its first batch, or from the states given on to the end."""
    batch_size, states = given
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world)
    results = {}
    for case, even in CASES.items():
        loader = InrdLoader(
            InrdDataset(path, target="name"), indices=range(COUNT), batch_size=batch_size, **COMMON, even=even
        )
        loader.set_epoch(EPOCH)
        if states:
            loader.load_state_dict(states[case])
        batches = list(loader if states else islice(loader, 1))
        results[case] = (
            [(n, i) for images, names in batches for n, i in zip(names, images, strict=True)],
            (loader.state_dict()),
        )
    torch.save(results, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def resumed(path, folder, world, *, batch_size, states=None):
    """Of each case: the samples of each rank, (name, image) in order, and the ranks' states."""
    folder.mkdir()
    spawn(resumed_rank, (world, str(path), str(folder), (batch_size, states)), nprocs=world)
    results = [torch.load(folder / f"{r}.pt", weights_only=True) for r in range(world)]
    return {case: tuple(zip(*(r[case] for r in results), strict=True)) for case in CASES}


def test_an_epoch_that_two_ranks_began_is_finished_by_three_or_by_one(tile_file, tmp_path):
    whole = InrdLoader(InrdDataset(tile_file, target="name"), 4, indices=range(COUNT), **COMMON)
    whole.set_epoch(EPOCH)
    uninterrupted = {n: i for images, names in whole for n, i in zip(names, images, strict=True)}
    order = list(uninterrupted)
    begun = resumed(tile_file, tmp_path / "2", 2, batch_size=2)
    states = {case: ranks[0] for case, (_, ranks) in begun.items()}
    for case, (samples, ranks) in begun.items():
        assert ranks[0] == ranks[1] == {"epoch": EPOCH, "position": 4, "seed": 3}
        assert sorted(n for rank in samples for n, _ in rank) == sorted(order[:4]), case
    for world, left_out in ((3, 7 % 3), (1, 0)):
        finished = resumed(tile_file, tmp_path / str(world), world, batch_size=3, states=states)
        for case, (samples, ranks) in finished.items():
            served = [n for part in (*begun[case][0], *samples) for n, _ in part]
            assert len(set(served)) == len(served)
            assert len(served) == COUNT - (left_out if case == "even" else 0)
            assert all(torch.equal(image, uninterrupted[n]) for rank in samples for n, image in rank)
            counts = {len(rank) for rank in samples}
            assert max(counts) - min(counts) <= (case == "exact")
            assert all(state == {"epoch": EPOCH + 1, "position": 0, "seed": 3} for state in ranks)
