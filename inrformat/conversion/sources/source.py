"""What a conversion needs of the place its images come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from inrformat.container.metadata import FieldSpec
from inrformat.conversion.annotations.annotation import Annotation
from inrformat.conversion.pixels.read import ImageFile

__all__ = ["Sample", "Source", "Subset", "limited"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image, not decoded yet, and what is known of it.

    Attributes:
        image: its file, or the picture itself.
        values: of the source's columns that say nothing of places in the image, by name.
        annotation: boxes, masks and the like, in shares of the image's sides.
        as_stored: take the picture as it lies in its file, without its EXIF orientation: its annotation is of that.
    """

    image: ImageFile
    values: Mapping[str, Any] = field(default_factory=dict)
    annotation: Annotation = field(default_factory=Annotation)
    as_stored: bool = False


class Source(Protocol):
    """Images in a fixed order, each of which can be read at any time, more than once.

    Attributes:
        place: the source, as messages name it.
        names: of the images, each once; with forward slashes where they have folders.
        classes: class names; empty where there are none.
        columns: the columns of all samples, but for the names.
        concurrent: whether several threads may read at once.
        remarks: lines that whoever converts should read: files that were left out, and the like.
    """

    @property
    def place(self) -> str: ...
    @property
    def names(self) -> Sequence[str]: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def columns(self) -> tuple[FieldSpec, ...]: ...
    @property
    def concurrent(self) -> bool: ...
    @property
    def remarks(self) -> tuple[str, ...]: ...

    def sample(self, number: int) -> Sample:
        """The image of that number in ``names``.

        Raises:
            SourceError: it cannot be had, or what is known of it cannot be stored.
        """

    def identity(self) -> str:
        """Text that differs for a source of other images or targets: a conversion is only resumed for its own."""


@dataclass(frozen=True, slots=True)
class Subset:
    """Some images of a source, in the order of ``numbers``."""

    source: Source
    numbers: Sequence[int]

    @property
    def place(self) -> str:
        return self.source.place

    @property
    def names(self) -> Sequence[str]:
        names = self.source.names
        return [names[number] for number in self.numbers]

    @property
    def classes(self) -> tuple[str, ...]:
        return self.source.classes

    @property
    def columns(self) -> tuple[FieldSpec, ...]:
        return self.source.columns

    @property
    def concurrent(self) -> bool:
        return self.source.concurrent

    @property
    def remarks(self) -> tuple[str, ...]:
        return self.source.remarks

    def sample(self, number: int) -> Sample:
        """See `Source`."""
        return self.source.sample(self.numbers[number])

    def identity(self) -> str:
        """See `Source`."""
        return f"{self.source.identity()} {list(self.numbers)}"


def limited(source: Source, limit: int | None) -> Source:
    """At most ``limit`` images, spread evenly over the source so that no class is lost first."""
    count = len(source.names)
    if limit is None or limit >= count:
        return source
    return Subset(source, [i * count // limit for i in range(limit)])
