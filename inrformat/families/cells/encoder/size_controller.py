"""How the bytes of a file of a wanted size are spent: step scales for images as they come (``--target-size``).

The step is calibrated on a measured part of the data set; what is still wrong with it shows while encoding. The images
to come then take the two step scales around the one that would spend what is left, in the ratio that spends it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from inrformat.errors import UsageError
from inrformat.families.cells.descriptor import SCALES_PER_OCTAVE
from inrformat.families.cells.encoder.calibrate import Calibration
from inrformat.families.cells.encoder.options import STEP_LEAST, STEP_MOST
from inrformat.families.cells.encoder.rate_control import FileSizeTarget
from inrformat.families.cells.record import SCALE_LIMIT

__all__ = ["SizeController"]

_UNSPENT_SHARE = 0.004
"""Share of the last images' bytes that may stay unspent."""
_PRIOR_SHARE = 0.02
"""The measured mean counts as much as this share of the data set, at least, against what is seen while encoding."""


@dataclass(slots=True)
class SizeController:
    """What is left for the records of a data set, and the step scales that spend it.

    It proposes scales and is told the bytes that came of them. This is the only thing in a trained encoder that changes
    while it encodes: how coarse the next image has to be depends on what all images before it took.

    Attributes:
        bytes_left: for the records still to come.
        expected_bytes: of an average record at step scale 0. measured_images: that mean is of so many.
        bytes_per_scale: what one step scale more multiplies a record's bytes by, below 1.
        finest_scale: the least step scale that makes sense.
    """

    bytes_left: float
    expected_bytes: float
    measured_images: int
    bytes_per_scale: float
    finest_scale: int
    _seen_expected: float = 0.0
    _seen_bytes: float = 0.0
    _owed: float = 0.0

    @classmethod
    def of(cls, calibration: Calibration, target: FileSizeTarget) -> Self:
        """For a whole data set, none of which is encoded yet.

        Raises:
            UsageError: the file cannot be as small as asked for.
        """
        codebook, measured, step_ratio = calibration
        factor = measured.bytes_per_scale
        expected = measured.mean_bytes * factor ** (SCALES_PER_OCTAVE * math.log2(step_ratio))
        budget = target.budget_bytes(codebook)
        if codebook.network.step >= STEP_MOST and expected * target.images > budget:
            others = target.file_bytes - budget
            least = math.ceil(others + expected * target.images)
            raise UsageError(
                f"{target.file_bytes:,} bytes are too few for these images, whose targets, names and tables take "
                f"{others:,}: the smallest file is about {least:,} bytes"
            )
        finest = math.ceil(SCALES_PER_OCTAVE * math.log2(STEP_LEAST / codebook.network.step))
        return cls(budget, expected, measured.images, factor, finest)

    def fitting_scale(self, images_left: int) -> float:
        """The scale, fractional, at which the images left would take the bytes left."""
        trusted_images = max(self.measured_images, _PRIOR_SHARE * (images_left + self.measured_images))
        prior = trusted_images * self.expected_bytes
        bias = (prior + self._seen_bytes) / (prior + self._seen_expected)
        expected = self.expected_bytes * bias * images_left
        return self._limited(math.log(max(self.bytes_left, 1) / expected) / math.log(self.bytes_per_scale))

    def next_scales(self, count: int, *, images_left: int) -> list[int]:
        """Whole step scales for the next ``count`` of the images left: on average the fitting one."""
        return self._spread(self.fitting_scale(images_left), count)

    def last_scales(self, scale: float, count: int) -> list[int]:
        """Whole step scales that average ``scale``, whatever was proposed before."""
        self._owed = 0.0
        return self._spread(scale, count)

    def better_scale(self, scale: float, taken_bytes: int) -> float | None:
        """After all images left took so many bytes at a scale: the one to try next, None where that one is good."""
        if (1 - _UNSPENT_SHARE) * self.bytes_left <= taken_bytes <= self.bytes_left:
            return None
        wanted = (1 - _UNSPENT_SHARE / 2) * max(self.bytes_left, 1)
        moved = self._limited(scale + math.log(wanted / taken_bytes) / math.log(self.bytes_per_scale))
        return None if moved == scale else moved

    def spend(self, scales: Sequence[int], taken_bytes: int) -> None:
        """Note that images of these step scales took so many bytes."""
        self.bytes_left -= taken_bytes
        self._seen_bytes += taken_bytes
        self._seen_expected += self.expected_bytes * sum(self.bytes_per_scale**scale for scale in scales)

    def _limited(self, scale: float) -> float:
        return min(max(scale, self.finest_scale), SCALE_LIMIT)

    def _spread(self, scale: float, count: int) -> list[int]:
        """Whole scales that average ``scale``, evenly spread: each image pays what its predecessor owed."""
        scales = []
        for _ in range(count):
            self._owed += scale
            scales.append(round(self._limited(round(self._owed))))
            self._owed -= scales[-1]
        return scales
