"""Which way up a picture was annotated: as it lies in its file, or turned as its EXIF orientation says.

Annotations of COCO and Pascal VOC state the size of the picture they are of, as a mask does, and that decides. Where
both ways have that size, it is the picture as it lies in its file: so pycocotools and torchvision's ``CocoDetection``,
``VOCDetection`` and ``VOCSegmentation`` show it. YOLO's labels have no size and are of the turned picture.
"""

from __future__ import annotations

from pathlib import Path

from inrformat.conversion.annotations.annotation import Annotation
from inrformat.conversion.annotations.masks import mask_size
from inrformat.conversion.pixels.options import ReadOptions
from inrformat.conversion.pixels.read import ImageFile, read_size
from inrformat.errors import SourceError

__all__ = ["is_of_stored_picture"]


def is_of_stored_picture(annotation: Annotation, image: ImageFile, *, name: str) -> bool:
    """Whether an annotation is of the picture as it lies in its file, without its EXIF orientation.

    An annotation without a size is of the turned picture, as is that of a picture that cannot be read: reading it tells
    why.

    Raises:
        SourceError: the picture has another shape than the annotated one, whichever way up; or a mask is unreadable.
    """
    annotated = _annotated_size(annotation)
    if annotated is None or not isinstance(image, Path):
        return False
    stored = read_size(image, ReadOptions(), upright=False)
    if stored is None:
        return False
    if _same_shape(annotated, stored):
        return True
    turned = read_size(image, ReadOptions())
    if turned is not None and _same_shape(annotated, turned):
        return False
    (height, width), (rows, columns) = stored, annotated
    raise SourceError(
        f"{name}: {width} x {height} px, but its annotations are of a picture of {columns:g} x {rows:g} px; "
        "give it the annotations of this picture, or leave it out"
    )


def _annotated_size(annotation: Annotation) -> tuple[float, float] | None:
    if annotation.size is None and annotation.mask is not None and not annotation.instances:
        return mask_size(annotation.mask)
    return annotation.size


def _same_shape(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two sizes are of one picture, larger or smaller: equal but for a pixel of rounding."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*one, *other)
