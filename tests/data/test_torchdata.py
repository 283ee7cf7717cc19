"""The state protocol is torchdata's."""

import pytest
import torch

from inrformat import InrdDataset, InrdLoader

pytest.importorskip("torchdata", reason="the optional extra torchdata is not installed")

from torchdata.nodes import IterableWrapper, Loader, Mapper
from torchdata.stateful_dataloader import StatefulDataLoader


def test_the_data_set_works_in_a_stateful_data_loader(tile_file):
    def loader():
        generator = torch.Generator().manual_seed(1)
        return StatefulDataLoader(InrdDataset(tile_file), 5, shuffle=True, generator=generator)

    whole = [t.tolist() for _, t in loader()]
    first = loader()
    batches = iter(first)
    next(batches)
    state = first.state_dict()
    second = loader()
    second.load_state_dict(state)
    assert [t.tolist() for _, t in second] == whole[1:]


def test_the_loader_is_a_source_of_nodes(tile_file):
    def pipeline():
        source = InrdLoader(InrdDataset(tile_file), 5, shuffle=True, device="cpu")
        return Loader(Mapper(IterableWrapper(source), lambda batch: batch[1].tolist()))

    reference = InrdLoader(InrdDataset(tile_file), 5, shuffle=True, device="cpu")
    epochs = [[t.tolist() for _, t in reference] for _ in range(2)]
    first = pipeline()
    batches = iter(first)
    assert next(batches) == epochs[0][0]
    state = first.state_dict()
    second = pipeline()
    second.load_state_dict(state)
    assert list(second) == epochs[0][1:]
    assert list(second) == epochs[1]
