"""One image as a record, and what a conversion reports of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.container.layout import PSNR_MAX_DB

__all__ = ["EncodedRecord", "Image", "Outcome", "psnr_db", "psnr_of_mse_db"]

Image = NDArray[np.uint8]
"""Pixels, uint8 ``(height, width, channels)``."""


class Outcome(IntEnum):
    """Whether an image's record is what was asked for; the numbers are stored."""

    OK = 0
    TARGET_MISSED = 1  # the quality or size that each image was to have cannot be had
    DIVERGED = 2  # no fit was better than the mean colour, which is what the record holds


@dataclass(frozen=True, slots=True)
class EncodedRecord:
    """One image as a record.

    Attributes:
        data: the record's bytes. height, width: native size in pixels. network: descriptor number in the codebook.
        psnr_db: of the reference decoder's uint8 output against the source.
        steps: of the optimiser, 0 where there was none. sparsity: share of the network's symbols that are zero.
        pruning_saved_bytes: against the same image without pruning, where that was tried. pruning_gain_db: PSNR against
            it, negative where pruning lost some; 0 where pruning was tried at equal quality.
        outcome: what the report says of the image.
    """

    data: bytes
    height: int
    width: int
    network: int
    psnr_db: float
    steps: int = 0
    sparsity: float = 0.0
    pruning_saved_bytes: int = 0
    pruning_gain_db: float = 0.0
    outcome: Outcome = Outcome.OK


def psnr_db(decoded: NDArray[Any], source: NDArray[Any]) -> float:
    """PSNR of uint8 images over all channels; 100 dB stands for identical ones."""
    error = decoded.astype(np.float64) - source
    return psnr_of_mse_db(float(np.mean(error * error)))


def psnr_of_mse_db(mse: float) -> float:
    """PSNR of a mean squared error of uint8 values."""
    return PSNR_MAX_DB if mse == 0 else min(20 * math.log10(255) - 10 * math.log10(mse), PSNR_MAX_DB)
