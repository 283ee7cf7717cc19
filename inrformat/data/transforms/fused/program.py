"""A pipeline as a program of the compiled step, and its run on a batch.

A program gives the canvas that `Plan.canvas` gives, bit for bit: that is its definition. It takes one launch instead of
some two hundred operations of torch, and reads seed, epoch and sample numbers from the device, so that a CUDA graph
that holds it draws other numbers when those are changed in place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol

import torch
from torch import Tensor

from inrformat.data.transforms.fused.batch import Counters, Entry, Frames, Sides
from inrformat.data.transforms.fused.operations import WORDS, Instruction, Operation
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.dispatch import backend_for
from inrformat.errors import DeviceError

__all__ = ["Program"]

_RESIZING = {Operation.RESIZE, Operation.RESIZE_SHORT}
_EXPOSING = {Operation.PAD, Operation.ROTATE, Operation.AFFINE}


class _Runner(Protocol):
    def __call__(
        self, counters: Counters, sides: Sides, *, entries: tuple[Entry, ...], settings: Tensor, view: int
    ) -> Frames: ...


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A pipeline that the compiled step can do.

    Attributes:
        entries: the operations in order. settings: of all of them.
        result: a canvas after the pipeline, whose size, fill and rules are those of every batch.
    """

    entries: tuple[Entry, ...]
    settings: tuple[float, ...]
    result: Canvas
    _on_device: dict[torch.device, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, instructions: Iterable[Instruction], result: Canvas) -> Program:
        """The program of ``instructions``; ``result``: some canvas after them."""
        entries, settings, word = [], list[float](), 0
        for operation, given in _explicit(instructions):
            entries.append(Entry(int(operation), word, len(settings)))
            settings += given
            word += WORDS.get(operation, 0)
        return cls(tuple(entries), tuple(settings), result)

    def runs_on(self, device: torch.device) -> bool:
        """Whether the compiled step exists there, with what is installed."""
        return _runner(device) is not None

    def canvas(self, counters: Counters, sides: Sides, *, view: int = 0) -> Canvas:
        """The frames of a batch, on the device of its ``counters``, where the program must run."""
        device = counters.samples.device
        run = _runner(device)
        if run is None:
            raise DeviceError(f"nothing compiled draws parameters on {device}: see runs_on")
        frames = run(counters, sides, entries=self.entries, settings=self.settings_on(device), view=view)
        return replace(self.result, **frames._asdict())

    def settings_on(self, device: torch.device) -> Tensor:
        """``settings`` there, float64; copied the first time."""
        if device not in self._on_device:
            self._on_device[device] = torch.tensor(self.settings, dtype=torch.float64, device=device)
        return self._on_device[device]


def _explicit(instructions: Iterable[Instruction]) -> Iterator[Instruction]:
    """The same with what `Canvas` does unasked: a resize cuts the window; padding and warps expose what is beyond."""
    exposed = False
    for instruction in instructions:
        if instruction.operation in _RESIZING and not exposed:
            yield Instruction(Operation.CUT_WINDOW)
        if instruction.operation in _EXPOSING:
            yield Instruction(Operation.EXPOSE)
            exposed = True
        yield instruction


@cache
def _runner(device: torch.device) -> _Runner | None:
    name = backend_for(device).name
    if name == "cpu":
        from inrformat.data.transforms.fused.cpu import run as run_on_cpu

        return run_on_cpu
    if name == "triton":
        from inrformat.data.transforms.fused.triton_kernel import run as run_on_cuda

        return run_on_cuda
    return None
