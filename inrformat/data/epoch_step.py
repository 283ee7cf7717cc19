"""A training step's batch with everything that changes from step to step on the device, for CUDA graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.data.batches import BatchMaker
from inrformat.data.epoch_order import EpochOrder
from inrformat.data.finish import Finish
from inrformat.data.transforms.fused.batch import Counters, key_of
from inrformat.errors import UsageError

__all__ = ["EpochStep"]


class EpochStep:
    """Called, it gives the next batch of an epoch as an `InrdLoader` does, and queues nothing but work on the device.

    Seed, epoch, the epoch's order and the place in it are tensors that a call reads and moves on, so a CUDA graph that
    a call was captured in gives the batches of all epochs, in the same memory::

        step = loader.step()
        step()  # compiles, and allocates what is kept
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            images, targets = step()  # and, where it can be captured, what trains on them
        for epoch in range(epochs):
            step.begin(epoch)
            for _ in range(len(step)):
                graph.replay()
                train(images, targets)

    An incomplete last batch is left out. The loader's own epoch and state do not move.
    """

    def __init__(
        self, maker: BatchMaker, order: EpochOrder, finish: Finish, *, seed: int, device: torch.device
    ) -> None:
        """Made by `InrdLoader.step`."""
        self._maker, self._order, self._finish, self._seed = maker, order, finish, seed
        numbers = self._numbers(0)
        self._batches = torch.from_numpy(numbers).to(device)  # (batches, 2, B): samples and occurrences
        self._key = torch.from_numpy(key_of(seed, 0)).to(device)
        self._place = torch.zeros(1, dtype=torch.int64, device=device)

    def __len__(self) -> int:
        """Batches in an epoch of this rank."""
        return len(self._batches)

    def begin(self, epoch: int) -> None:
        """Let the next call, or replay of one, give the first batch of ``epoch``.

        Raises:
            UsageError: a sampler gives another number of batches than when the step was made.
        """
        numbers = self._numbers(epoch)
        if len(numbers) != len(self):
            raise UsageError(f"epoch {epoch} has {len(numbers)} batches, this step was made for {len(self)}")
        self._batches.copy_(torch.from_numpy(numbers))
        self._key.copy_(torch.from_numpy(key_of(self._seed, epoch)))
        self._place.zero_()

    def __call__(self) -> Any:
        """The next batch; behind the last one, the first again."""
        samples, occurrences = self._batches.index_select(0, self._place)[0].unbind(0)
        self._place.add_(1).remainder_(len(self))
        batch = self._maker.replayable(Counters(self._key, samples, occurrences))
        return self._finish(batch, epoch=0)

    def _numbers(self, epoch: int) -> NDArray[np.int64]:
        """Samples and occurrences of the epoch's full batches, ``(batches, 2, B)``."""
        jobs = [job for together in self._order.together(epoch, 0) for job in together]
        full = [job for job in jobs if len(job.samples) == self._order.batch_size]
        if not full:
            raise UsageError(f"no batch of {self._order.batch_size} samples in epoch {epoch}: lower the batch size")
        return np.stack([np.stack([job.samples, job.occurrences]) for job in full])
