"""Annotations of many images, as one file or folder holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inrformat.conversion.annotations.annotation import Annotation

__all__ = ["AnnotationSet", "origin_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationSet:
    """What one file or folder says of images.

    Attributes:
        place: the file or folder. kind: what its annotations are, for messages: "boxes", "masks".
        by_path: annotations by what they call their image. classes: class names by number.
        own_suffixes: whether those paths are of annotation files, so that their suffixes are not the images'.
        origin: another text when a file has changed. remarks: see ``Source``.
    """

    place: str
    kind: str
    by_path: Mapping[str, Annotation]
    own_suffixes: bool
    classes: tuple[str, ...] = ()
    origin: str = ""
    remarks: tuple[str, ...] = ()


def origin_of(files: Sequence[Path]) -> str:
    """Text that changes with the files: their names, sizes and times."""
    stats = ((file, file.stat()) for file in files)
    return repr([(str(file), stat.st_size, stat.st_mtime_ns) for file, stat in stats])
