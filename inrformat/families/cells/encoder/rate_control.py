"""Rate control: how far a quantization step is from what was asked for, be it a mean PSNR, a rate or a file size.

Distances between steps are in octaves: one octave is a factor of two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from inrformat.container.sizes import stored_record_bytes
from inrformat.encoding.corpus import Corpus, SizeBudget
from inrformat.encoding.record import EncodedRecord
from inrformat.families.cells.descriptor import SCALES_PER_OCTAVE
from inrformat.families.cells.encoder.codebook import CellsCodebook
from inrformat.families.cells.encoder.options import STEP_LEAST, STEP_MOST, CellsOptions

__all__ = [
    "CLOSE_OCTAVES",
    "DB_PER_OCTAVE",
    "FileSizeTarget",
    "MeasuredRate",
    "RateTarget",
    "moved_step",
    "payload_bytes",
    "target_of",
]

CLOSE_OCTAVES = 0.06
"""A step this close to the right one is right enough."""
DB_PER_OCTAVE = 4.5
_DB_PER_OCTAVE_MIN, _DB_PER_OCTAVE_MAX = 2.5, 7.0
_BYTES_PER_SCALE, _BYTES_PER_SCALE_MIN, _BYTES_PER_SCALE_MAX = 0.88, 0.5, 0.98
"""The first of each is typical of photographs near 1 bpp and is used until measured; then bounds of a measured one."""


def payload_bytes(records: Sequence[EncodedRecord]) -> int:
    """Bytes of the payload that some records take."""
    return sum(stored_record_bytes(len(record.data)) for record in records)


def moved_step(step: float, octaves: float) -> float:
    """The step so many octaves coarser, within the bounds of steps."""
    moved: float = step * 2.0**octaves
    return min(max(moved, STEP_LEAST), STEP_MOST)


class MeasuredRate:
    """Rate and distortion of images encoded at step scale 0, and how both change with the scale.

    Attributes:
        images, pixels: counts. payload_bytes: of all records. psnr_db: sum over the images.
    """

    def __init__(self) -> None:
        self.images = self.pixels = self.payload_bytes = 0
        self.psnr_db = 0.0
        self._coarser = _Difference()

    def add(self, records: Sequence[EncodedRecord], *, coarser: Mapping[int, EncodedRecord]) -> None:
        """Take records along. ``coarser``: by position in ``records``, the same image one step scale coarser."""
        self.images += len(records)
        self.pixels += sum(r.height * r.width for r in records)
        self.payload_bytes += payload_bytes(records)
        self.psnr_db += sum(r.psnr_db for r in records)
        for position, record in coarser.items():
            self._coarser.add(records[position], record)

    @property
    def mean_bytes(self) -> float:
        """Payload bytes per image."""
        return self.payload_bytes / self.images

    @property
    def bytes_per_scale(self) -> float:
        """What one step scale more multiplies the bytes by, 0.5..0.98."""
        return self._coarser.bytes_factor

    def octaves_for_psnr(self, psnr_db: float) -> float:
        """How much coarser the step has to be for a mean PSNR, in octaves."""
        return (self.psnr_db / self.images - psnr_db) / self._coarser.db_per_octave

    def octaves_for_bytes(self, mean_bytes: float) -> float:
        """The same for a mean of payload bytes per image."""
        return math.log(mean_bytes / self.mean_bytes) / math.log(self.bytes_per_scale) / SCALES_PER_OCTAVE

    def octaves_for_rate(self, rate_bpp: float) -> float:
        """The same for bits per pixel."""
        return self.octaves_for_bytes(rate_bpp / 8 * self.pixels / self.images)


class _Difference:
    """Sums over images that were encoded at two neighbouring step scales."""

    def __init__(self) -> None:
        self._images = 0
        self._fine_bytes = self._coarse_bytes = 0
        self._fine_psnr_db = self._coarse_psnr_db = 0.0

    def add(self, fine: EncodedRecord, coarse: EncodedRecord) -> None:
        self._images += 1
        self._fine_bytes += payload_bytes([fine])
        self._coarse_bytes += payload_bytes([coarse])
        self._fine_psnr_db += fine.psnr_db
        self._coarse_psnr_db += coarse.psnr_db

    @property
    def bytes_factor(self) -> float:
        if not self._fine_bytes:
            return _BYTES_PER_SCALE
        return min(max(self._coarse_bytes / self._fine_bytes, _BYTES_PER_SCALE_MIN), _BYTES_PER_SCALE_MAX)

    @property
    def db_per_octave(self) -> float:
        if not self._images:
            return DB_PER_OCTAVE
        slope = (self._fine_psnr_db - self._coarse_psnr_db) / self._images * SCALES_PER_OCTAVE
        return min(max(slope, _DB_PER_OCTAVE_MIN), _DB_PER_OCTAVE_MAX)


class RateTarget(Protocol):
    """What a conversion is to reach, whatever step that takes."""

    def octaves_off(self, measured: MeasuredRate, codebook: CellsCodebook) -> float:
        """How much coarser the step has to be than the one of ``codebook``, which was measured with, in octaves."""


@dataclass(frozen=True, slots=True)
class PsnrTarget:
    """A mean PSNR in dB over all images."""

    psnr_db: float

    def octaves_off(self, measured: MeasuredRate, _codebook: CellsCodebook) -> float:
        """See ``RateTarget``."""
        return measured.octaves_for_psnr(self.psnr_db)


@dataclass(frozen=True, slots=True)
class BppTarget:
    """Bits per pixel of all records."""

    rate_bpp: float

    def octaves_off(self, measured: MeasuredRate, _codebook: CellsCodebook) -> float:
        """See ``RateTarget``."""
        return measured.octaves_for_rate(self.rate_bpp)


@dataclass(frozen=True, slots=True)
class FileSizeTarget:
    """A size of the whole file.

    Attributes:
        file_bytes: that size. budget: what it leaves for records. images: in the file.
    """

    file_bytes: int
    budget: SizeBudget
    images: int

    def budget_bytes(self, codebook: CellsCodebook) -> int:
        """Bytes for records beside that codebook; below 0 where there are none."""
        return self.budget(codebook.stored_bytes)

    def octaves_off(self, measured: MeasuredRate, codebook: CellsCodebook) -> float:
        """See ``RateTarget``."""
        return measured.octaves_for_bytes(max(self.budget_bytes(codebook) / self.images, 1))


def target_of(options: CellsOptions, corpus: Corpus) -> RateTarget | None:
    """What the options ask for; None where they ask for a quality, which is a step and not a target.

    A PSNR that every image is to reach counts as a mean here: each image finds its own step scale around it.
    """
    if options.rate_bpp is not None:
        return BppTarget(options.rate_bpp)
    if options.target_bytes is not None:
        return FileSizeTarget(options.target_bytes, corpus.size_budget(options.target_bytes), corpus.length)
    psnr_db = options.psnr_db if options.psnr_db is not None else options.psnr_floor_db
    return None if psnr_db is None else PsnrTarget(psnr_db)
