"""What the compiled step reads and writes of a batch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Counters", "Entry", "Frames", "Sides", "key_of"]

_ALL_BITS = (1 << 64) - 1
"""Of a seed that are told apart."""


class Counters(NamedTuple):
    """What random numbers are a function of, all int64 on one device.

    Attributes:
        key: ``(2,)``: seed, as a signed number, and epoch. samples: ``(B,)``, numbers in the data set.
        occurrences: ``(B,)``: how often each has come in its epoch before.
    """

    key: Tensor
    samples: Tensor
    occurrences: Tensor


def key_of(seed: int, epoch: int) -> NDArray[np.int64]:
    """``Counters.key`` on the host."""
    return np.array([seed & _ALL_BITS, epoch], np.uint64).view(np.int64)


class Sides(NamedTuple):
    """Native heights and widths of all samples of a data set, in pixels: int32 ``(samples,)`` on the device."""

    heights: Tensor
    widths: Tensor


class Frames(NamedTuple):
    """What the compiled step writes of B samples: the tensors of a `Canvas`, by its names, float64."""

    height: Tensor
    width: Tensor
    matrices: Tensor
    windows: Tensor
    feather: Tensor

    @staticmethod
    def shapes(count: int) -> tuple[tuple[int, ...], ...]:
        """Of ``count`` samples."""
        return (count,), (count,), (count, 3, 3), (count, 4), (count, 2)


class Entry(NamedTuple):
    """An operation in a program: where its random words and its settings begin."""

    operation: int
    word: int
    setting: int
