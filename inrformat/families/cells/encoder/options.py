"""What a conversion to ``cells`` can be asked for."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import ClassVar

from inrformat.errors import UsageError

__all__ = ["STEP_LEAST", "STEP_MOST", "CellsOptions", "initial_step", "step_of_quality"]

STEP_LEAST, STEP_MOST = 2.0, 400.0
"""Bounds of the quantization step, in units of 1/255."""
_DEFAULT_QUALITY = 70.0
_STEP_BEFORE_TARGET = 16.0
_SCALE_SPREAD_FLOOR, _SCALE_SPREAD_SIZE = 8.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellsOptions:
    """A quality, or one of four targets; a quality of 70 where nothing is given.

    Attributes:
        quality: 0..100; the quantization step halves with every ten. 70 is about 38 dB on photographs of 256 px.
        psnr_db: mean over the data set. psnr_floor_db: at least, for each image. rate_bpp: of all records.
        target_bytes: at most, of the whole file. threads: 0 for one per core.
        codebook: a file whose codebook is used instead of learning one, or "builtin" for a built-in one.

    Raises:
        UsageError: more than one of them, or a quality out of range.
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
        targets = ("quality", "psnr_db", "psnr_floor_db", "rate_bpp", "target_bytes")
        given = [name for name in targets if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)}: choose one of {', '.join(targets)}")
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise UsageError(f"quality {self.quality} is not in 0..100")

    @property
    def scale_spread(self) -> float:
        """How far the step scales of records will stray from 0, typically."""
        if self.psnr_floor_db is not None:
            return _SCALE_SPREAD_FLOOR
        return _SCALE_SPREAD_SIZE if self.target_bytes is not None else 0.0


def initial_step(options: CellsOptions) -> float:
    """The quantization step of the quality asked for, or the one that the search for a target begins with."""
    targets = (options.psnr_db, options.psnr_floor_db, options.rate_bpp, options.target_bytes)
    if any(target is not None for target in targets):
        return _STEP_BEFORE_TARGET
    return step_of_quality(_DEFAULT_QUALITY if options.quality is None else options.quality)


def step_of_quality(quality: float) -> float:
    """Quantization step for a quality 0..100, in units of 1/255: 2 at 100, twice as much for every 10 less."""
    return min(STEP_LEAST * math.exp2((100 - quality) / 10), STEP_MOST)
