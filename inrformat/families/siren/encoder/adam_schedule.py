"""Adam's step sizes: a cosine decay and both bias corrections.

They are made of sums, products and quotients alone, whose rounding IEEE 754 defines: the cosine of a mathematical
library differs between processors in its last bit, and a fit would carry that into the bytes of a file.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.encoder.engine import AdamConfig

__all__ = ["AdamSchedule", "adam_schedule"]

_TERMS = 13


class AdamSchedule(NamedTuple):
    """Of each step, float32 ``(steps,)``.

    Attributes:
        rates: learning rate, with the first moment's bias correction. corrections: the second moment's.
    """

    rates: NDArray[np.float32]
    corrections: NDArray[np.float32]


def adam_schedule(adam: AdamConfig) -> AdamSchedule:
    """The schedule of a whole fit (Kingma and Ba 2015, arXiv 1412.6980, with cosine decay)."""
    return _schedule(adam.steps, adam.learning_rate, adam.floor)


@lru_cache(maxsize=16)
def _schedule(steps: int, learning_rate: float, floor: float) -> AdamSchedule:
    cosine = floor + (1 - floor) * _cosine_decay(steps)
    rates = learning_rate * cosine / (1 - np.multiply.accumulate(np.full(steps, 0.9)))
    corrections = 1 / (1 - np.multiply.accumulate(np.full(steps, 0.999)))
    return AdamSchedule(rates.astype(np.float32), corrections.astype(np.float32))


def _cosine_decay(steps: int) -> NDArray[np.float64]:
    """``(1 + cos(pi t / steps)) / 2`` for t = 0 .. steps - 1."""
    # It is the square of cos(x) at half the angle, of which thirteen terms of Taylor's series are exact to 1e-16.
    squared = (math.pi / 2 * (np.arange(steps) / max(steps, 1))) ** 2
    cosine = np.zeros(steps)
    for n in reversed(range(_TERMS)):
        cosine = (-1) ** n / math.factorial(2 * n) + squared * cosine
    return cosine * cosine
