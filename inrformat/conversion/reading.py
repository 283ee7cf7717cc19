"""The images of a source as they are read: ahead of the encoder, on threads, in pieces that fit in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

from inrformat.conversion.columns import check_classes, values_of
from inrformat.conversion.pixels.note import Note
from inrformat.conversion.pixels.options import ReadOptions
from inrformat.conversion.pixels.read import read_image
from inrformat.conversion.sources.source import Source
from inrformat.encoding.cores import core_count
from inrformat.encoding.record import Image
from inrformat.errors import SourceError, UsageError

__all__ = ["ErrorPolicy", "ImageReader", "Piece", "ReadSample", "Skipped", "images_of"]

PIECE_IMAGES = 256
PIECE_VALUES = 3 << 23
_AHEAD_IMAGES, _AHEAD_VALUES = 8, 1 << 25
"""Images that are decoded before the encoder asks for them, for each thread; fewer where they are large."""


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    """What becomes of images that cannot be read. ``limit``: so many are left out before the conversion stops."""

    limit: int | None

    @classmethod
    def of(cls, text: str) -> Self:
        """From ``raise``, ``skip`` or ``limit=N``.

        Raises:
            UsageError: it is none of them.
        """
        name, _, number = text.partition("=")
        if text in {"raise", "skip"}:
            return cls(0 if text == "raise" else None)
        if name == "limit" and number.isdecimal():
            return cls(int(number))
        raise UsageError(f"on error {text!r}: choose raise, skip or limit=N")


@dataclass(frozen=True, slots=True)
class Skipped:
    """An image that was left out: its number in the source, its name, and why."""

    number: int
    name: str
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class ReadSample:
    """An image as the encoder gets it. ``values``: of its columns. ``notes``: what was done to it."""

    number: int
    name: str
    pixels: Image
    values: dict[str, Any]
    notes: tuple[Note, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Some images of a source, in order. ``following``: so many come after them, the unreadable ones not counted."""

    samples: list[ReadSample]
    following: int


@dataclass(slots=True, eq=False)
class ImageReader:
    """Reads the images of a source, remembering those it had to leave out.

    Attributes:
        source: where they come from. options: how they become pixels. on_error: what becomes of unreadable ones.
        jobs: threads that read at once, where the source allows it; 0: one for each core.
        skipped: images that were left out, by number.
    """

    source: Source
    options: ReadOptions
    on_error: ErrorPolicy
    jobs: int = 0
    skipped: dict[int, Skipped] = field(default_factory=dict)

    def samples(self, numbers: Iterable[int]) -> Iterator[ReadSample]:
        """The readable ones of these images, in order.

        Raises:
            SourceError: one more cannot be read than may be left out.
        """
        threads = (self.jobs or core_count()) if self.source.concurrent else 1
        waiting: deque[Future[ReadSample | Skipped]] = deque()
        pool = ThreadPoolExecutor(threads, thread_name_prefix="read")
        columns = self.source.columns
        largest = 1
        try:
            for number in numbers:
                waiting.append(pool.submit(self._read, number, columns))
                while len(waiting) > min(_AHEAD_IMAGES * threads, _AHEAD_VALUES // largest):
                    for sample in self._readable(waiting.popleft().result()):
                        largest = max(largest, sample.pixels.size)
                        yield sample
            while waiting:
                yield from self._readable(waiting.popleft().result())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def pieces(self, start: int = 0) -> Iterator[Piece]:
        """All readable images from number ``start`` on.

        A full piece waits for the next one, and the last two are equally long: so a size budget is never left to a few
        images, and all that are unreadable are known by then. Where the pieces are cut does not depend on ``start`` if
        that is where one began.
        """
        count = len(self.source.names)
        full: list[ReadSample] = []
        piece: list[ReadSample] = []
        for sample in self.samples(range(start, count)):
            piece.append(sample)
            if len(piece) == PIECE_IMAGES or sum(s.pixels.size for s in piece) >= PIECE_VALUES:
                if full:
                    yield Piece(full, count - 1 - full[-1].number - self._skipped_after(full[-1].number))
                full, piece = piece, []
        rest = full + piece
        cut = (len(rest) + 1) // 2 if full and piece else len(rest)
        if rest[:cut]:
            yield Piece(rest[:cut], len(rest) - cut)
        if rest[cut:]:
            yield Piece(rest[cut:], 0)

    def skipped_between(self, first: int, last: int) -> list[Skipped]:
        """Images with numbers from ``first`` to ``last`` that were left out."""
        return [skipped for number, skipped in sorted(self.skipped.items()) if first <= number <= last]

    def _skipped_after(self, number: int) -> int:
        return sum(skipped > number for skipped in self.skipped)

    def _read(self, number: int, columns: Sequence[Any]) -> ReadSample | Skipped:
        name = self.source.names[number]
        place = f"{self.source.place}/{name}"
        try:
            sample = self.source.sample(number)
            read = read_image(sample.image, self.options, name=place, upright=not sample.as_stored)
            height, width = read.pixels.shape[:2]
            values = values_of(columns, sample.values, sample.annotation, height=height, width=width)
            check_classes(values, self.source.classes)
        except SourceError as error:
            reason = str(error)
            return Skipped(number, name, reason if reason.startswith(place) else f"{place}: {reason}")
        return ReadSample(number, name, read.pixels, values, read.notes)

    def _readable(self, read: ReadSample | Skipped) -> Iterator[ReadSample]:
        if isinstance(read, ReadSample):
            yield read
            return
        self.skipped[read.number] = read
        limit = self.on_error.limit
        if limit is not None and len(self.skipped) > limit:
            remedy = "mend or remove it, or leave such images out: --on-error skip"
            many = f" ({len(self.skipped)} images cannot be read, {limit} may be left out)" if limit else ""
            raise SourceError(f"{read.reason}{many}; {remedy}")


def images_of(source: Source, *, size: int | None = None) -> Iterator[Image]:
    """The pixels of all images of a source, in order: for measurements. ``size``: as in `ReadOptions`.

    Raises:
        SourceError: one cannot be read.
    """
    reader = ImageReader(source, ReadOptions(size=size), ErrorPolicy(limit=0))
    return (sample.pixels for sample in reader.samples(range(len(source.names))))
