"""What a conversion to ``cells`` can be asked for."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import ClassVar

from inrformat.errors import UsageError

__all__ = ["STEP_LEAST", "STEP_MOST", "CellsOptions", "step_of_quality"]

STEP_LEAST, STEP_MOST = 2.0, 400.0
"""Bounds of the quantization step, in units of 1/255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellsOptions:
    """What to aim at: one of the five; a quality of 70 where none is given.

    Attributes:
        quality: 0..100; the quantization step halves with every ten. 70 is about 38 dB on photographs of 256 px.
        psnr_db: mean over the data set. psnr_floor_db: at least, for each image. rate_bpp: of records.
        target_bytes: at most, of the whole file. threads: 0 for one a core.
        codebook: a file whose codebook is used instead of learning one, or "builtin" for a built-in one.
    """

    family: ClassVar[str] = "cells"

    quality: float | None = None
    psnr_db: float | None = None
    psnr_floor_db: float | None = None
    rate_bpp: float | None = None
    target_bytes: int | None = None
    threads: int = 0
    codebook: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        aims = (self.quality, self.psnr_db, self.psnr_floor_db, self.rate_bpp, self.target_bytes)
        if sum(x is not None for x in aims) > 1:
            raise UsageError("choose one of a quality, a mean PSNR, a PSNR of each image, a rate and a file size")
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise UsageError(f"quality {self.quality} is not in 0..100")


def step_of_quality(quality: float) -> float:
    """Quantization step for a quality 0..100, in units of 1/255: 2 at 100, twice as much for every 10 less."""
    return min(STEP_LEAST * math.exp2((100 - quality) / 10), STEP_MOST)
