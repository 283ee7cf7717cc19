"""What an encoder may look at before it encodes the first image: a sample, the set itself, and the bytes there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from inrformat.encoding.record import Image

__all__ = ["Corpus", "SizeBudget"]


class SizeBudget(Protocol):
    """What a file of some wanted size leaves for records."""

    def __call__(self, codebook_bytes: int) -> int:
        """Bytes for records; below 0 where everything else alone is too large.

        Args:
            codebook_bytes: size of the codebook as it is stored.
        """


def _no_budget(_file_bytes: int) -> SizeBudget:
    raise NotImplementedError("this corpus is not converted to a file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """The images of a conversion.

    Attributes:
        sample: some of the images, chosen at random; uint8 ``(height, width, channels)`` each.
        complete: whether the sample is all of the set that can be read. length: images in the set.
        batches: begins anew a walk over a random part of the set, or all of it, the same each time.
        size_budget: for the wanted size of the whole file in bytes, what it leaves for records.
    """

    sample: Sequence[Image]
    complete: bool
    length: int
    batches: Callable[[], Iterable[Sequence[Image]]]
    size_budget: Callable[[int], SizeBudget] = _no_budget

    @classmethod
    def of(cls, images: Sequence[Image], *, complete: bool = True) -> Corpus:
        """Images in memory as their own sample; ``complete`` says that there will be no others."""
        return cls(sample=images, complete=complete, length=len(images), batches=lambda: [images])
