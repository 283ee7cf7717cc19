"""Folders of semantic masks: images of class numbers, named as the images they belong to."""

from __future__ import annotations

from pathlib import Path

from inrformat.conversion.annotations.annotation import Annotation
from inrformat.conversion.annotations.annotation_set import AnnotationSet, origin_of
from inrformat.errors import SourceError

__all__ = ["read_masks"]

_SUFFIXES = {".png", ".bmp", ".gif", ".tif", ".tiff"}
"""Of lossless images: a mask that went through JPEG holds other numbers."""


def read_masks(folder: Path, *, classes: tuple[str, ...] = ()) -> AnnotationSet:
    """Find the masks of a folder and its sub-folders; they are opened when their images are.

    Raises:
        SourceError: there are none.
    """
    files = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in _SUFFIXES and p.is_file()]
    if not files:
        raise SourceError(f"{folder}: no masks found (looked for {', '.join(sorted(_SUFFIXES))})")
    by_path = {f.relative_to(folder).as_posix(): Annotation(mask=f) for f in files}
    return AnnotationSet(
        place=str(folder), kind="masks", by_path=by_path, own_suffixes=True, classes=classes, origin=origin_of(files)
    )
