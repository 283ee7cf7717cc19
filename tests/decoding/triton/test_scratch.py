"""Scratch that streams and files take turns with, on streams that are pretended."""

import gc
import weakref
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from inrformat.decoding.arena import Arena, measuring_arena
from inrformat.decoding.triton import scratch
from inrformat.decoding.triton.scratch import ScratchPool, pool_of

CPU = torch.device("cpu")


class File:
    """Borrows some bytes a record."""

    def __init__(self, record_bytes: int) -> None:
        self.record_bytes = record_bytes

    def allocate(self, batch: int, arena: Arena) -> torch.Tensor:
        return arena.empty(batch, self.record_bytes, dtype=torch.uint8)


@dataclass(frozen=True)
class FakeStream:
    """Remembers what it was told."""

    number: int
    log: list[Any]

    def wait_event(self, event):
        self.log.append((self.number, "waits for", event.recorded_on))


class FakeEvent:
    recorded_on: int | None = None

    def record(self, stream):
        self.recorded_on = stream.number


class FakeCuda:
    """A device of several streams, of which ``use`` makes one the current."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[Any] = []
        self.capturing = False
        self.stream = FakeStream(0, self.log)
        self.used_on: list[tuple[int, int]] = []
        monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: self.stream)
        monkeypatch.setattr(scratch, "capturing", lambda device: self.capturing)
        monkeypatch.setattr(
            torch.Tensor, "record_stream", lambda tensor, s: self.used_on.append((tensor.data_ptr(), s.number))
        )

    def pool(self) -> ScratchPool:
        pool = ScratchPool(CPU)
        pool._turns = scratch._Turns()
        return pool

    def use(self, number: int) -> None:
        self.stream = FakeStream(number, self.log)


@pytest.fixture
def cuda(monkeypatch):
    return FakeCuda(monkeypatch)


def test_forty_epochs_on_as_many_streams_use_one_memory(cuda):
    pool, files = cuda.pool(), [File(100), File(70)]
    used = set()
    for epoch in range(40):
        cuda.use(epoch % 32)
        for file in files:
            with pool.lent(file, 8 if epoch else 16) as lent:
                used.add(lent.data_ptr())
    assert len(used) == 1
    assert pool.size_bytes == 16 * 100 + 256 - 16 * 100 % 256


def test_a_stream_waits_for_the_one_before_and_for_none_but_that(cuda):
    pool, file = cuda.pool(), File(10)
    for number in (1, 1, 2, 2, 1):
        cuda.use(number)
        with pool.lent(file, 4):
            pass
    assert cuda.log == [(2, "waits for", 1), (1, "waits for", 2)]


def test_the_turn_ends_where_queueing_fails(cuda):
    pool, file = cuda.pool(), File(10)
    cuda.use(1)
    with pytest.raises(RuntimeError, match="out of resources"), pool.lent(file, 4):
        raise RuntimeError("out of resources")
    cuda.use(2)
    with pool.lent(file, 4):
        pass
    assert cuda.log == [(2, "waits for", 1)]


def test_the_allocator_is_told_of_every_stream(cuda):
    pool, file = cuda.pool(), File(10)
    for number in (1, 2):
        cuda.use(number)
        with pool.lent(file, 4) as lent:
            assert (lent.data_ptr(), number) in cuda.used_on


def test_memory_grows_to_the_largest_ask_and_the_old_is_given_back(cuda):
    pool, small, large = cuda.pool(), File(16), File(4096)
    with pool.lent(small, 16) as lent:
        old = weakref.ref(lent.untyped_storage())
        assert pool.size_bytes == 256
    del lent
    with pool.lent(large, 16):
        assert pool.size_bytes == 16 * 4096
    gc.collect()
    assert old() is None
    with pool.lent(small, 16) as again, pool.lent(large, 16) as other:
        assert again.data_ptr() == other.data_ptr()


def test_a_graph_has_scratch_of_its_own_that_growth_does_not_touch(cuda):
    pool, file = cuda.pool(), File(64)
    with pool.lent(file, 4) as shared:
        pass
    cuda.capturing = True
    with pool.lent(file, 4) as captured:
        captured.fill_(7)
    cuda.capturing = False
    assert captured.data_ptr() != shared.data_ptr()
    with pool.lent(file, 4000) as grown:
        grown.fill_(9)
    assert (captured == 7).all()
    assert pool.size_bytes == 4000 * 64, "what a graph has does not count"


def test_nothing_of_a_graph_is_kept_by_the_pool(cuda):
    pool, file = cuda.pool(), File(64)
    cuda.capturing = True
    with pool.lent(file, 4) as captured:
        held = weakref.ref(captured.untyped_storage())
    del captured
    gc.collect()
    assert held() is None, "the graph's memory pool keeps it"


def test_what_borrowed_once_is_not_kept_alive(cuda):
    pool, file = cuda.pool(), File(64)
    with pool.lent(file, 4):
        pass
    held = weakref.ref(file)
    del file
    gc.collect()
    assert held() is None


def test_a_device_has_one_pool_as_long_as_somebody_holds_it():
    pool = pool_of(CPU)
    assert pool_of(CPU) is pool
    held = weakref.ref(pool)
    del pool
    gc.collect()
    assert held() is None or pool_of(CPU) is held(), "a plan of another test may hold it"


def test_an_arena_cuts_aligned_tensors_that_do_not_overlap():
    memory = torch.zeros(2048, dtype=torch.uint8)
    arena = Arena(memory)
    first, second = arena.empty(3, 5, dtype=torch.int16), arena.empty(7, dtype=torch.float32)
    assert first.shape == (3, 5) and second.dtype == torch.float32
    assert (second.data_ptr() - first.data_ptr()) % 256 == 0
    first.fill_(-1)
    assert (second == 0).all()
    measured = measuring_arena()
    measured.empty(3, 5, dtype=torch.int16)
    measured.empty(7, dtype=torch.float32)
    assert measured.used_bytes == arena.used_bytes == 512
