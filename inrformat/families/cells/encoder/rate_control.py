"""How far a step is from what was asked for: a mean PSNR, a rate, a file size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from inrformat.encode.record import EncodedRecord
from inrformat.families.cells.encoder.size_budget import stored_bytes

__all__ = ["SCALES_PER_OCTAVE", "Measured"]

SCALES_PER_OCTAVE = 4
_DB_PER_OCTAVE = 4.5
_BYTES_PER_SCALE = 0.88
"""Typical of photographs near 1 bpp; used until measured."""


@dataclass(slots=True)
class Measured:
    """Sums over encoded images, and over the few of them that were also encoded one step scale coarser.

    Attributes:
        images, pixels, stored: counts of images, pixels and payload bytes. psnr_db: sum over images.
    """

    images: int = 0
    pixels: int = 0
    stored: int = 0
    psnr_db: float = 0.0
    _pairs: int = 0
    _pair_bytes: list[int] = field(default_factory=lambda: [0, 0])
    _pair_psnr_db: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def add(self, records: Sequence[EncodedRecord], *, coarser: dict[int, EncodedRecord]) -> None:
        """``coarser``: by position in ``records``, the same image one scale coarser."""
        self.images += len(records)
        self.pixels += sum(r.height * r.width for r in records)
        self.stored += stored_bytes(records)
        self.psnr_db += sum(r.psnr_db for r in records)
        self._pairs += len(coarser)
        for n, other in coarser.items():
            for k, record in enumerate((records[n], other)):
                self._pair_bytes[k] += stored_bytes([record])
                self._pair_psnr_db[k] += record.psnr_db

    @property
    def mean_bytes(self) -> float:
        """Payload bytes of an image."""
        return self.stored / self.images

    @property
    def bytes_per_scale(self) -> float:
        """Factor on the bytes of one step scale, 0.5..0.98."""
        fine, coarse = self._pair_bytes
        return min(max(coarse / fine, 0.5), 0.98) if fine else _BYTES_PER_SCALE

    def octaves_for_psnr(self, psnr_db: float) -> float:
        """What to multiply the step by, as a power of two, for a mean PSNR."""
        fine, coarse = self._pair_psnr_db
        slope = (fine - coarse) / self._pairs * SCALES_PER_OCTAVE if self._pairs else _DB_PER_OCTAVE
        slope = min(max(slope, 2.5), 7.0)
        return (self.psnr_db / self.images - psnr_db) / slope

    def octaves_for_bytes(self, mean_bytes: float) -> float:
        """The same for a mean of payload bytes an image."""
        return math.log(mean_bytes / self.mean_bytes) / math.log(self.bytes_per_scale) / SCALES_PER_OCTAVE

    def octaves_for_rate(self, rate_bpp: float) -> float:
        """The same for bits a pixel."""
        return self.octaves_for_bytes(rate_bpp / 8 * self.pixels / self.images)
