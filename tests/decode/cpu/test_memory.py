"""Memory of batches that is used again."""

import torch

from inrformat.decode.cpu.memory import lend


def test_memory_is_lent_again_only_when_nothing_refers_to_it():
    first = torch.from_numpy(lend(1000)).reshape(10, 100)
    place, part = first.data_ptr(), first[3:]
    del first
    second = torch.from_numpy(lend(1000))
    assert second.data_ptr() != place
    del part
    assert torch.from_numpy(lend(1000)).data_ptr() == place


def test_lent_memory_has_the_size_asked_for_after_another_was_given_back():
    for count in (1000, 10, 0, 2000):
        assert len(lend(count)) == count
