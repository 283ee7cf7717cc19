"""Memory of batches that is used again."""

import pytest
import torch

from inrformat.decoding.cpu import buffer_pool
from inrformat.decoding.cpu.buffer_pool import acquire


@pytest.fixture
def free(monkeypatch):
    """The buffers that are kept; none at first."""
    monkeypatch.setattr(buffer_pool, "_free", [])
    return buffer_pool._free


def test_memory_is_handed_out_again_only_when_nothing_refers_to_it(free):
    first = torch.from_numpy(acquire(1000)).reshape(10, 100)
    place, part = first.data_ptr(), first.numpy()[3:]
    del first
    assert free == []
    del part
    assert [buffer.ctypes.data for buffer in free] == [place]
    assert acquire(1000).ctypes.data == place


def test_a_view_of_acquired_memory_keeps_it(free):
    acquired = acquire(1000)
    view = acquired[10:]
    del acquired
    assert free == []
    del view
    assert len(free) == 1


def test_two_buffers_are_kept_and_none_beyond_the_limit(free, monkeypatch):
    several = [acquire(1000) for _ in range(4)]
    del several
    assert len(free) == 2
    free.clear()
    monkeypatch.setattr(buffer_pool, "_LARGEST_BYTES", 4 * 999)
    large = acquire(1000)
    del large
    assert free == []


def test_acquired_memory_has_the_size_asked_for_after_another_was_released(free):
    for count in (1000, 10, 0, 2000):
        assert len(acquire(count)) == count
