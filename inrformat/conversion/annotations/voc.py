"""Pascal VOC's XML files, one per image.

Box corners are taken as they are written, in pixels, as ``torchvision.datasets.VOCDetection`` hands them over: VOC
counts pixels from 1, which nobody undoes. Pictures are taken as they lie in their files. ``difficult``, ``truncated``,
``pose`` and parts are not kept. http://host.robots.ox.ac.uk/pascal/VOC/
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from inrformat.conversion.annotations.annotation import Annotation, Instance
from inrformat.conversion.annotations.annotation_set import AnnotationSet, origin_of
from inrformat.errors import SourceError

__all__ = ["read_voc"]


@dataclass(frozen=True, slots=True)
class _Object:
    """An object with its class's name. box: in shares of the image's sides."""

    name: str
    box: tuple[float, float, float, float]


def read_voc(files: Sequence[Path], *, place: str, classes: tuple[str, ...] = ()) -> AnnotationSet:
    """Read XML files; each is of the image of its own name.

    Args:
        classes: names by number; without any, those that occur, sorted.

    Raises:
        SourceError: a file cannot be understood, or has a class that is not among ``classes``; the message names it.
    """
    objects = {file.name: _objects(file) for file in files}
    names = classes or tuple(sorted({o.name for found in objects.values() for o in found}))
    numbers = {name: number for number, name in enumerate(names)}
    for name, found in objects.items():
        if unknown := [o.name for o in found if o.name not in numbers]:
            raise SourceError(f"{place}: {name}: class {unknown[0]!r} is none of {', '.join(names)}")
    by_path = {n: Annotation(tuple(Instance(numbers[o.name], o.box) for o in found)) for n, found in objects.items()}
    return AnnotationSet(
        place=place,
        kind="objects",
        by_path=by_path,
        own_suffixes=True,
        classes=names,
        as_stored=True,
        origin=origin_of(files),
    )


def _objects(file: Path) -> list[_Object]:
    try:
        data = file.read_bytes()
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # entities can grow a small file into gigabytes
            raise ValueError("a document type is not allowed here")
        root = ElementTree.fromstring(data)
        width, height = (_number(root, f"size/{side}") for side in ("width", "height"))
        if not (width > 0 and height > 0):
            raise ValueError(f"its image is {width:g} x {height:g} px")
        return [
            _Object(
                _text(o, "name"),
                (
                    _number(o, "bndbox/xmin") / width,
                    _number(o, "bndbox/ymin") / height,
                    _number(o, "bndbox/xmax") / width,
                    _number(o, "bndbox/ymax") / height,
                ),
            )
            for o in root.iterfind("object")
        ]
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise SourceError(f"{file}: not as Pascal VOC has it ({error})") from error


def _text(element: ElementTree.Element, path: str) -> str:
    text = element.findtext(path)
    if text is None or not text.strip():
        raise ValueError(f"no {path}")
    return text.strip()


def _number(element: ElementTree.Element, path: str) -> float:
    value = float(_text(element, path))
    if not math.isfinite(value):
        raise ValueError(f"{path} is {value}")
    return value
