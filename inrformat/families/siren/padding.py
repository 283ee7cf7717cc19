"""Between the parameters of a network as a record has them and the padded ones that compiled code works on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PaddedParameters"]

_BLOCK = 4


@dataclass(frozen=True, slots=True, eq=False)
class PaddedParameters:
    """Where parameters lie when widths are rounded up to multiples of 4; padding is zero and so is its gradient.

    Attributes:
        widths: int64, padded. places: int64 ``(P,)``, where each parameter lies in the padded vector.
        size: length P' of the padded vector.
    """

    widths: NDArray[np.int64]
    places: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, widths: Sequence[int]) -> PaddedParameters:
        """For a network of those true ``widths``, inputs and outputs included."""
        padded = [-(-w // _BLOCK) * _BLOCK for w in widths]
        places, at = [], 0
        for (inputs, outputs), (cols, rows) in zip(pairwise(widths), pairwise(padded), strict=True):
            places.append((at + cols * np.arange(outputs)[:, None] + np.arange(inputs)).ravel())
            at += rows * cols
            places.append(at + np.arange(outputs))
            at += rows
        return cls(np.array(padded, np.int64), np.concatenate(places), at)

    def pad(self, parameters: NDArray[Any]) -> NDArray[np.float32]:
        """float32 ``(..., P')`` of ``(..., P)``."""
        padded = np.zeros((*parameters.shape[:-1], self.size), np.float32)
        padded[..., self.places] = parameters
        return padded

    def unpad(self, padded: NDArray[Any]) -> NDArray[Any]:
        """``(..., P)`` of ``(..., P')``."""
        return padded[..., self.places]
