"""Pascal VOC's XML files, one per image.

Box corners are taken as they are written, in pixels, as ``torchvision.datasets.VOCDetection`` hands them over: VOC
counts pixels from 1, which nobody undoes. Parts of objects, ``pose``, ``truncated``, ``difficult`` and the like are not
kept. http://host.robots.ox.ac.uk/pascal/VOC/
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from xml.etree import ElementTree

from inrformat.conversion.annotations.annotation import Annotation, Instance
from inrformat.conversion.annotations.annotation_set import AnnotationSet, origin_of
from inrformat.errors import SourceError

__all__ = ["PASCAL_CLASSES", "read_voc", "voc_classes"]

PASCAL_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""Those of VOC 2007 to 2012 in their usual order; in semantic masks, where 0 is background, each has one more."""


@dataclass(frozen=True, slots=True)
class _Object:
    """An object with its class's name. box: in shares of the image's sides."""

    name: str
    box: tuple[float, float, float, float]
    difficult: bool


@dataclass(frozen=True, slots=True)
class _Picture:
    """What one file says. size: (height, width) in pixels."""

    size: tuple[float, float]
    objects: tuple[_Object, ...]


def voc_classes(files: Iterable[Path]) -> tuple[str, ...]:
    """The class names of a set by number: Pascal's own where there are no others, else those that occur, sorted.

    Raises:
        SourceError: a file cannot be understood.
    """
    return _classes(_read(file) for file in files)


def read_voc(files: Mapping[str, Path], *, place: str, classes: tuple[str, ...] = ()) -> AnnotationSet:
    """Read XML files by the paths that stand for their images.

    Args:
        classes: names by number; without any, those of `voc_classes`.

    Raises:
        SourceError: a file cannot be understood, or has a class that is not among ``classes``; the message names it.
    """
    pictures = {name: _read(file) for name, file in files.items()}
    names = classes or _classes(pictures.values())
    numbers = {name: number for number, name in enumerate(names)}
    for name, picture in pictures.items():
        if unknown := [o.name for o in picture.objects if o.name not in numbers]:
            raise SourceError(f"{place}: {name}: class {unknown[0]!r} is none of {', '.join(names)}")
    by_path = {
        name: Annotation(tuple(Instance(numbers[o.name], o.box) for o in picture.objects), size=picture.size)
        for name, picture in pictures.items()
    }
    difficult = sum(o.difficult for picture in pictures.values() for o in picture.objects)
    remark = f"{place}: {difficult} objects are marked as difficult; they are objects like others here"
    return AnnotationSet(
        place=place,
        kind="objects",
        by_path=by_path,
        own_suffixes=True,
        classes=names,
        origin=origin_of(list(files.values())),
        remarks=(remark,) * bool(difficult),
    )


def _classes(pictures: Iterable[_Picture]) -> tuple[str, ...]:
    names = {o.name for picture in pictures for o in picture.objects}
    return PASCAL_CLASSES if names <= set(PASCAL_CLASSES) else tuple(sorted(names))


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Stops at a document type: entities, which it can define, grow a small file into gigabytes."""

    def doctype(self, _name: str, _public: str | None, _system: str | None) -> NoReturn:
        raise ValueError("a document type is not allowed here; remove <!DOCTYPE ...>")


def _read(file: Path) -> _Picture:
    try:
        root = ElementTree.fromstring(file.read_bytes(), ElementTree.XMLParser(target=_WithoutDoctype()))
        width, height = (_number(root, f"size/{side}") for side in ("width", "height"))
        if not (width > 0 and height > 0):
            raise ValueError(f"its image is {width:g} x {height:g} px; write the size of the image into <size>")
        return _Picture((height, width), tuple(_object(o, height, width) for o in root.iterfind("object")))
    except (OSError, ValueError, LookupError, ElementTree.ParseError) as error:
        raise SourceError(f"{file}: not as Pascal VOC has it ({error})") from error


def _object(stored: ElementTree.Element, height: float, width: float) -> _Object:
    return _Object(
        name=_text(stored, "name"),
        box=(
            _number(stored, "bndbox/xmin") / width,
            _number(stored, "bndbox/ymin") / height,
            _number(stored, "bndbox/xmax") / width,
            _number(stored, "bndbox/ymax") / height,
        ),
        difficult=(stored.findtext("difficult") or "0").strip() == "1",
    )


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
