"""A source whose images and targets are all known before the first image is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from inrformat.container.fields import Field
from inrformat.container.metadata import FieldSpec
from inrformat.conversion.annotations.annotation import Annotation
from inrformat.conversion.annotations.orientation import is_of_stored_picture
from inrformat.conversion.columns import annotation_columns
from inrformat.conversion.pixels.read import ImageFile
from inrformat.conversion.sources.source import Sample

__all__ = ["ListedSource"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ListedSource:
    """Names, columns and annotations in lists, and a function that finds an image; a `Source`.

    Attributes:
        place, names, classes, concurrent, remarks: see `Source`.
        image: the image of a name, from any thread where ``concurrent``.
        fields: columns with a value for each image. annotations: of each image, or none at all.
        origin: what besides the lists tells one source from another: annotation files and when they changed, say.
    """

    place: str
    names: tuple[str, ...]
    image: Callable[[str], ImageFile]
    classes: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    concurrent: bool = True
    remarks: tuple[str, ...] = ()
    origin: str = ""

    @property
    def columns(self) -> tuple[FieldSpec, ...]:
        """See `Source`."""
        return (*(FieldSpec(f.name, f.type) for f in self.fields), *annotation_columns(self.annotations))

    def sample(self, number: int) -> Sample:
        """See `Source`."""
        image = self.image(self.names[number])
        annotation = self.annotations[number] if self.annotations else Annotation()
        return Sample(
            image=image,
            values={f.name: f.values[number] for f in self.fields},
            annotation=annotation,
            as_stored=is_of_stored_picture(annotation, image, name=f"{self.place}/{self.names[number]}"),
        )

    def identity(self) -> str:
        """See `Source`; two lists of annotations are told apart by ``origin``."""
        digest = hashlib.sha256(repr((self.names, self.classes, self.origin, len(self.annotations))).encode())
        for column in self.fields:
            digest.update(repr((column.name, column.type, list(column.values))).encode())
        return f"{self.place} {digest.hexdigest()}"

    def with_remarks(self, *remarks: str) -> Self:
        """The same with something more to say of it."""
        return replace(self, remarks=(*self.remarks, *remarks))
