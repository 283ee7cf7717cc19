"""How a conversion that may take so many bytes spends them: step scales for images as they come (``--target-size``).

The step is settled on a measured part of the data set; what is still wrong with it shows while encoding. Remaining
images then take the two step scales around the one that would spend what is left, in the ratio that spends it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inrformat.encode.record import EncodedRecord, Image
from inrformat.errors import UsageError
from inrformat.families.cells.record import SCALE_LIMIT

__all__ = ["ByteBudget", "stored_bytes"]

RECORD_ALIGNMENT_BYTES = 4
_LAST_TRIES = 8
_SLACK = 0.004
"""Share of the last images' bytes that may stay unspent."""
_PRIOR_SHARE = 0.02
"""The measured mean counts as much as this share of the data set, at least, against what is seen while encoding."""

EncodeAt = Callable[[Sequence[Image], Sequence[int]], list[EncodedRecord]]
"""Images and their step scales to records."""


def stored_bytes(records: Sequence[EncodedRecord]) -> int:
    """Bytes in the payload, each record's alignment counted."""
    return sum(len(r.data) + -len(r.data) % RECORD_ALIGNMENT_BYTES for r in records)


@dataclass(slots=True)
class ByteBudget:
    """What is left for the records of a data set.

    Attributes:
        bytes_left, images_left: for and of records still to come.
        expected_bytes: of an average record at step scale 0. measured: images that was measured on.
        bytes_per_scale: factor on a record's bytes from one step scale to the next, below 1.
        finest_scale: the least step scale that makes sense.
    """

    bytes_left: float
    images_left: int
    expected_bytes: float
    measured: int
    bytes_per_scale: float
    finest_scale: int
    _seen_expected: float = 0.0
    _seen_bytes: float = 0.0
    _owed: float = 0.0

    def encode(self, images: Sequence[Image], encode_at: EncodeAt) -> list[EncodedRecord]:
        """Encode the next images; the last ones so that what is left suffices.

        Raises:
            UsageError: it does not suffice for the last ones.
        """
        scale = self._fitting_scale()
        if len(images) < self.images_left:
            scales = self._spread(scale, len(images))
            records = encode_at(images, scales)
        else:
            records, scales = self._fit_last(images, encode_at, scale)
        self.images_left -= len(images)
        self.bytes_left -= stored_bytes(records)
        self._seen_bytes += stored_bytes(records)
        self._seen_expected += self.expected_bytes * sum(self.bytes_per_scale**s for s in scales)
        return records

    def _fitting_scale(self) -> float:
        """The scale, fractional, at which the images left would take the bytes left."""
        prior = max(self.measured, _PRIOR_SHARE * (self.images_left + self.measured)) * self.expected_bytes
        bias = (prior + self._seen_bytes) / (prior + self._seen_expected)
        expected = self.expected_bytes * bias * self.images_left
        return self._limited(math.log(max(self.bytes_left, 1) / expected) / math.log(self.bytes_per_scale))

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

    def _fit_last(
        self, images: Sequence[Image], encode_at: EncodeAt, scale: float
    ) -> tuple[list[EncodedRecord], list[int]]:
        """The last images at the finest tried scale that fits; the last try is the coarsest there is."""
        best: tuple[list[EncodedRecord], list[int]] | None = None
        most = 0
        for left in reversed(range(_LAST_TRIES)):
            if best is None and left == 0:
                scale = SCALE_LIMIT
            self._owed = 0.0
            scales = self._spread(scale, len(images))
            records = encode_at(images, scales)
            size = stored_bytes(records)
            if most < size <= self.bytes_left:
                best, most = (records, scales), size
            if (1 - _SLACK) * self.bytes_left <= size <= self.bytes_left:
                break
            aim = (1 - _SLACK / 2) * max(self.bytes_left, 1)
            moved = self._limited(scale + math.log(aim / size) / math.log(self.bytes_per_scale))
            if moved == scale:
                break
            scale = moved
        if best is None:
            raise UsageError(
                f"the last {len(images)} images take {size:,} bytes at the coarsest step where {self.bytes_left:,.0f} "
                f"are left: ask for a file at least {size - self.bytes_left:,.0f} bytes larger"
            )
        return best
