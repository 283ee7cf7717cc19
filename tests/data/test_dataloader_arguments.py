"""A call of torch's DataLoader, with its first word changed."""

import inspect
import warnings
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler

from inrformat import InrdDataset, InrdLoader
from inrformat.errors import UsageError


def labels_of(loader):
    return [label for _, labels in loader for label in labels.tolist()]


def test_every_argument_of_a_data_loader_has_its_name_and_place():
    ours = [name for name in inspect.signature(InrdLoader.__init__).parameters if name != "self"]
    theirs = inspect.signature(DataLoader.__init__).parameters
    placed = [n for n, p in theirs.items() if n != "self" and p.kind is p.POSITIONAL_OR_KEYWORD]
    assert ours[: len(placed)] == placed
    assert {n for n in theirs if n != "self"} <= set(ours)


def test_what_has_no_meaning_is_warned_of_in_one_line(tile_file):
    with pytest.warns(UserWarning) as seen:
        InrdLoader(
            InrdDataset(tile_file),
            4,
            True,
            num_workers=8,
            pin_memory=True,
            persistent_workers=True,
            prefetch_factor=4,
            worker_init_fn=print,
            multiprocessing_context="spawn",
            device="cpu",
        )
    caught = [warning for warning in seen if warning.category is UserWarning]
    assert len(caught) == 1 and caught[0].filename == __file__
    for name in ("num_workers", "pin_memory", "persistent_workers", "worker_init_fn", "multiprocessing_context"):
        assert name in str(caught[0].message)
    assert "prefetch_factor" not in str(caught[0].message)


def test_defaults_spelled_out_are_no_reason_to_warn(tile_file):
    defaults: dict[str, Any] = {
        name: parameter.default
        for name, parameter in inspect.signature(DataLoader.__init__).parameters.items()
        if name not in {"self", "dataset"}
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loader = InrdLoader(tile_file, device="cpu", **defaults)
    assert labels_of(loader) == InrdDataset(tile_file).targets


def test_a_generator_seeds(tile_file):
    def epoch(seed):
        return labels_of(InrdLoader(tile_file, 4, True, generator=torch.Generator().manual_seed(seed), device="cpu"))

    assert epoch(1) == epoch(1) == labels_of(InrdLoader(tile_file, 4, True, seed=1, device="cpu"))
    assert len({tuple(epoch(seed)) for seed in range(4)}) > 1
    with pytest.raises(UsageError, match="generator"):
        InrdLoader(tile_file, seed=1, generator=torch.Generator(), device="cpu")


def test_samplers_may_stand_in_a_data_loaders_place(tile_file):
    dataset = InrdDataset(tile_file)
    loader = InrdLoader(dataset, 5, False, RandomSampler(dataset), device="cpu")
    assert sorted(labels_of(loader)) == sorted(dataset.targets)
    assert isinstance(loader.sampler, RandomSampler) and loader.drop_last is False


def test_without_a_sampler_the_loader_is_told_the_epoch_in_its_place(tile_file):
    def told(epoch):
        loader = InrdLoader(InrdDataset(tile_file, target="name"), 5, True, device="cpu")
        loader.sampler.set_epoch(epoch)
        return [names for _, names in loader]

    loader = InrdLoader(InrdDataset(tile_file, target="name"), 5, True, device="cpu")
    epochs = [[names for _, names in loader] for _ in range(3)]
    assert [told(epoch) for epoch in range(3)] == epochs


def test_batches_ahead_have_one_name_at_a_time(tile_file):
    with pytest.raises(UsageError, match="prefetch"):
        InrdLoader(tile_file, prefetch=1, prefetch_factor=2, device="cpu")
