"""What kernels of all families are given of the records of a batch, and how a program finds its own sample's."""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl
from torch import Tensor

__all__ = ["Payload", "SampleShape", "Samples", "shape_of"]


class Samples(NamedTuple):
    """Which record each sample of a batch is. Kernels take each by its name.

    Attributes:
        shapes: int64 ``(records, 3)``: network number, native height and width of every record of the file.
        rows: int64 ``(B,)``: which record each sample is.
        record_count, network_count: of the file. max_height, max_width: greatest native size in pixels.
    """

    shapes: Tensor
    rows: Tensor
    record_count: int
    network_count: int
    max_height: int
    max_width: int


class Payload(NamedTuple):
    """The bytes of all records of a file. Kernels that read records take each by its name.

    Attributes:
        words: int16 ``(word_count,)``. offsets, lengths: int64 ``(records,)``, bytes.
        slot_entries: see ``rans.slot_entries``.
    """

    words: Tensor
    word_count: int
    offsets: Tensor
    lengths: Tensor
    slot_entries: Tensor

    def without_tables(self) -> dict[str, Any]:
        """The records alone, by name, for kernels that decode no tokens."""
        return {name: value for name, value in self._asdict().items() if name != "slot_entries"}


class SampleShape(NamedTuple):
    """Of one sample, inside a kernel: the number of its record, of its network, and its native size in pixels."""

    row: Any
    network: Any
    height: Any
    width: Any


@triton.jit
def shape_of(sample, shapes, rows, record_count, network_count, max_height, max_width):
    """The `SampleShape`; inside what the file was loaded with, whatever the numbers are."""
    row = tl.minimum(tl.maximum(tl.load(rows + sample), 0), record_count - 1)
    network = tl.load(shapes + 3 * row).to(tl.int32)
    height = tl.load(shapes + 3 * row + 1).to(tl.int32)
    width = tl.load(shapes + 3 * row + 2).to(tl.int32)
    return SampleShape(
        row=row,
        network=tl.minimum(tl.maximum(network, 0), network_count - 1),
        height=tl.minimum(tl.maximum(height, 1), max_height),
        width=tl.minimum(tl.maximum(width, 1), max_width),
    )
