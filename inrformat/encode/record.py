"""What every encoder offers to the conversion, and what it hands over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from inrformat.container.layout import PSNR_MAX_DB
from inrformat.families.codebook import Codebook

__all__ = ["EncodedRecord", "Encoder", "Image", "Outcome", "SettlingEncoder", "SizeBudget", "psnr_db", "psnr_of_mse_db"]

Image = NDArray[np.uint8]
"""Pixels, uint8 ``(height, width, 3)``."""


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


class Encoder(Protocol):
    """Turns images into records of one family. ``train`` is called once, before any ``encode``."""

    def options_map(self) -> dict[str, Any]:
        """What the encoder was asked for: plain types for the metadata."""

    def train(self, sample: Sequence[Image], *, complete: bool) -> Codebook:
        """Learn what records share from a sample of the data set; ``complete`` says the sample is all of it."""

    def encode(self, images: Sequence[Image]) -> list[EncodedRecord]:
        """Encode images, in order."""


class SizeBudget(Protocol):
    """Bytes a file of some wanted size has for records."""

    def __call__(self, codebook_bytes: int) -> int:
        """``codebook_bytes``: of the codebook as it is stored; below 0 where the rest alone is too large."""


@runtime_checkable
class SettlingEncoder(Protocol):
    """An encoder that may want to see much more than the sample, to meet an aim over the whole set."""

    @property
    def settles(self) -> bool:
        """Whether ``settle`` is to be called, between ``train`` and the first ``encode``."""

    def settle(self, batches: Callable[[], Iterable[Sequence[Image]]]) -> Codebook:
        """``batches`` gives a random part of the data set, or all of it, each time the same."""

    def left_out(self, images: int) -> None:
        """So many more of the images cannot be read and will not come."""


def psnr_db(decoded: NDArray[Any], source: NDArray[Any]) -> float:
    """PSNR of uint8 images over all channels; 100 dB stands for identical ones."""
    error = decoded.astype(np.float64) - source
    return psnr_of_mse_db(float(np.mean(error * error)))


def psnr_of_mse_db(mse: float) -> float:
    """PSNR of a mean squared error of uint8 values."""
    return PSNR_MAX_DB if mse == 0 else min(20 * math.log10(255) - 10 * math.log10(mse), PSNR_MAX_DB)
