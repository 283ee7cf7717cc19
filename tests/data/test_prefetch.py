"""Work ahead on a CUDA stream, with streams that are pretended: a device that finishes what it is waited for."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from inrformat.data.prefetch import Prefetcher

DEVICE = torch.device("cuda")


@dataclass
class FakeEvent:
    """Stands behind what its stream had been given; ``synchronize`` makes the device finish that."""

    blocking: bool = False
    stream: Any = None
    behind: int = 0

    def record(self, stream):
        self.stream, self.behind = stream, stream.queued

    def synchronize(self):
        self.stream.finished = max(self.stream.finished, self.behind)


@dataclass
class FakeStream:
    """Counts what it was given to do and has done."""

    queued: int = 0
    finished: int = 0
    waits: list[Any] = field(default_factory=list)

    def record_event(self):
        event = FakeEvent()
        event.record(self)
        return event

    def wait_stream(self, other):
        self.waits.append(other)

    def wait_event(self, event):
        self.waits.append(event)


class FakeCuda:
    def __init__(self, monkeypatch):
        self.current, self.made = FakeStream(), []
        monkeypatch.setattr(torch.cuda, "Stream", self.make)
        monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: self.current)
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())

    def make(self, device):
        self.made.append(FakeStream())
        return self.made[-1]


@pytest.fixture
def cuda(monkeypatch):
    return FakeCuda(monkeypatch)


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_host_stays_a_few_results_ahead_of_a_device_that_never_catches_up(cuda, depth):
    prefetcher, made, most = Prefetcher(depth=depth, device=DEVICE), 0, 0

    def job():
        nonlocal made, most
        made += 1
        most = max(most, made - cuda.current.finished)  # results whose memory is taken
        return made

    for epoch in range(40):
        results = []
        for result in prefetcher.results([job] * 20):
            cuda.current.queued += 1  # a training step
            results.append(result)
        assert results == list(range(20 * epoch + 1, 20 * epoch + 21))
    assert most == 2 * depth + 1


def test_one_stream_serves_all_epochs(cuda):
    prefetcher = Prefetcher(depth=2, device=DEVICE)
    for _ in range(40):
        assert list(prefetcher.results([lambda: 1] * 3)) == [1, 1, 1]
    assert len(cuda.made) == 1


def test_a_result_is_used_behind_the_job_that_made_it(cuda):
    prefetcher = Prefetcher(depth=1, device=DEVICE)

    def job():
        cuda.made[0].queued += 1
        return cuda.made[0].queued

    for result in prefetcher.results([job] * 5):
        event = cuda.current.waits[-1]
        assert event.stream is cuda.made[0] and event.behind == result


def test_without_depth_nothing_is_made_ahead(cuda):
    asked = []
    results = Prefetcher(depth=0, device=DEVICE).results([lambda: asked.append(1)] * 3)
    assert not asked
    next(results)
    assert len(asked) == 1 and not cuda.made
