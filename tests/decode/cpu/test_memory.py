"""Memory of batches that is used again."""

import torch

from inrformat.decode.cpu import memory
from inrformat.decode.cpu.memory import lend


def test_memory_is_lent_again_only_when_nothing_refers_to_it():
    first = torch.from_numpy(lend(1000)).reshape(10, 100)
    place, part = first.data_ptr(), first.numpy()[3:]
    del first
    others = [lend(1000) for _ in range(3)]
    assert place not in [torch.from_numpy(other).data_ptr() for other in others]
    del part
    assert place in [torch.from_numpy(other).data_ptr() for other in (lend(1000), lend(1000), lend(1000))]


def test_a_view_of_lent_memory_keeps_it():
    lent = lend(1000)
    place, view = lent.ctypes.data, lent[10:]
    del lent
    assert lend(1000).ctypes.data != place and view.ctypes.data == place + 40


def test_memory_beyond_the_limit_is_not_kept(monkeypatch):
    monkeypatch.setattr(memory, "_LARGEST_BYTES", 4 * 999)
    kept = len(memory._free)
    del_me = lend(1000)
    del del_me
    assert len(memory._free) <= kept


def test_lent_memory_has_the_size_asked_for_after_another_was_given_back():
    for count in (1000, 10, 0, 2000):
        assert len(lend(count)) == count
