"""COCO's run-length masks: lengths of alternating runs of pixels outside and inside, down the columns, outside first.

Lengths come as a list, or as pycocotools writes them, in a string (``rleFrString`` in ``common/maskApi.c`` of
https://github.com/cocodataset/cocoapi): every character holds 6 bits above "0", five of a number from its lowest on
and one that says that more follow; numbers are signed, and from the fourth on differences to the last but one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inrformat.container.limits import DEFAULT_LIMITS

__all__ = ["RunLengthMask", "read_run_length_mask"]

_FIRST, _MORE, _SIGN, _BITS = ord("0"), 0x20, 0x10, 5
_MOST_CHARACTERS = 13  # of one number: 64 bits


@dataclass(frozen=True, slots=True)
class RunLengthMask:
    """A mask of ``height`` x ``width`` pixels. ends: where each run stops, counted down the columns; outside first."""

    height: int
    width: int
    ends: tuple[int, ...]

    @classmethod
    def of(cls, mask: NDArray[np.bool_]) -> Self:
        """Of a mask bool ``(height, width)``."""
        down = np.concatenate([[False], mask.T.ravel()])
        changes = np.flatnonzero(down[1:] != down[:-1])
        height, width = mask.shape
        return cls(height, width, (*changes.tolist(), mask.size))

    def mask(self, height: int, width: int) -> NDArray[np.bool_]:
        """The mask, bool ``(height, width)``; where that is another size, each pixel takes the one at its centre."""
        rows = (2 * np.arange(height) + 1) * self.height // (2 * height)
        columns = (2 * np.arange(width) + 1) * self.width // (2 * width)
        run = np.searchsorted(np.array(self.ends, np.int64), columns * self.height + rows[:, None], side="right")
        inside: NDArray[np.bool_] = run % 2 == 1
        return inside


def read_run_length_mask(stored: Mapping[str, Any], *, height: int, width: int) -> RunLengthMask:
    """The mask of a COCO ``segmentation`` that is a map with ``size`` and ``counts``.

    Args:
        height, width: of its image, in pixels.

    Raises:
        ValueError: it is of another size, its runs do not fill that size, or its string is not such a string.
    """
    size, counts = stored.get("size"), stored.get("counts")
    if size != [height, width]:
        raise ValueError(f"is of size {size}, its image of {[height, width]} (height, width)")
    if height * width > DEFAULT_LIMITS.max_pixels:
        raise ValueError(f"has {height * width} pixels, more than {DEFAULT_LIMITS.max_pixels}")
    if isinstance(counts, str):
        counts = list(_lengths(counts))
    if not isinstance(counts, list) or not all(type(c) is int and c >= 0 for c in counts):
        raise ValueError("has counts that are not a list of numbers from 0 on, nor a string of them")
    if sum(counts) != height * width:
        raise ValueError(f"has counts that sum to {sum(counts)}, not to its {height * width} pixels")
    ends = np.cumsum(counts, dtype=np.int64)
    return RunLengthMask(height, width, tuple(ends.tolist()))


def _lengths(text: str) -> Iterator[int]:
    codes = [ord(character) - _FIRST for character in text]
    if bad := [c for c, code in zip(text, codes, strict=True) if not 0 <= code < 2 * _MORE]:
        raise ValueError(f"has the character {bad[0]!r} in its counts")
    stops = [n + 1 for n, code in enumerate(codes) if not code & _MORE]
    if codes and (not stops or stops[-1] != len(codes)):
        raise ValueError("has counts that break off inside a number")
    before = [0, 0]
    for number, (start, stop) in enumerate(pairwise([0, *stops])):
        if stop - start > _MOST_CHARACTERS:
            raise ValueError("has a count of more than 64 bits")
        value = sum((code & (_MORE - 1)) << _BITS * k for k, code in enumerate(codes[start:stop]))
        if codes[stop - 1] & _SIGN:
            value -= 1 << _BITS * (stop - start)
        value += before[0] if number > 2 else 0
        before = [before[1], value]
        yield value
