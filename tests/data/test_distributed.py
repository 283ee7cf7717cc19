"""Ranks of real process groups share an epoch."""

import pytest
import torch
import torch.distributed
import torch.multiprocessing
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader

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
    torch.multiprocessing.spawn(rank_of, (world, str(path), str(folder), options), nprocs=world)
    results = [torch.load(folder / f"{r}.pt", weights_only=True) for r in range(world)]
    return [(count, [(n, i) for images, names in batches for n, i in zip(names, images, strict=True)], len(batches))
            for count, batches, _ in results]  # fmt: skip


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
