"""COCO's JSON files: objects with boxes, outlines or run-length masks, keypoints, and captions.

The format: https://cocodataset.org/#format-data. Boxes are in pixels from the corner (0, 0) on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inrformat.conversion.annotations.annotation import Annotation, Instance, Points
from inrformat.conversion.annotations.annotation_set import AnnotationSet, origin_of
from inrformat.conversion.annotations.run_length import RunLengthMask, read_run_length_mask
from inrformat.errors import SourceError

__all__ = ["read_coco"]

_UNLIKE_COCO = (OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


@dataclass(slots=True)
class _CocoImage:
    """One image, and what was found of it so far.

    Attributes:
        ids: of its objects, as their file numbers them. earlier: so many of them are from files before this one.
    """

    path: str
    height: float
    width: float
    instances: list[Instance] = field(default_factory=list)
    ids: list[Hashable] = field(default_factory=list)
    earlier: int = 0
    captions: list[str] = field(default_factory=list)

    def add(self, instance: Instance, key: Hashable) -> None:
        """Add an object, or what a further file says of one that is known: persons have their keypoints in another."""
        for number in range(self.earlier):
            known = self.instances[number]
            if key == self.ids[number] is not None and (known.label, known.box) == (instance.label, instance.box):
                self.instances[number] = replace(known, keypoints=known.keypoints or instance.keypoints)
                return
        self.instances.append(instance)
        self.ids.append(key)


def read_coco(files: Sequence[Path]) -> AnnotationSet:
    """Read one JSON file, or several of the same images: objects, their keypoints and captions, say.

    Class numbers are those of the categories in order of their ids, which need not be without gaps.

    Raises:
        SourceError: a file is none of COCO's, or contradicts itself or another; the message names file and place.
    """
    reader = _Reader()
    for file in files:
        reader.read(file)
    place = " and ".join(map(str, files))
    classes, number_of = reader.numbered_classes(place)
    by_path = {
        image.path: Annotation(
            instances=tuple(_renumbered(image.instances, number_of)),
            captions=tuple(image.captions),
            size=(image.height, image.width),
        )
        for image in reader.images.values()
    }
    has_objects = any(image.instances for image in reader.images.values())
    return AnnotationSet(
        place=place,
        kind="captions" if not has_objects and any(a.captions for a in by_path.values()) else "objects",
        by_path=by_path,
        own_suffixes=False,
        classes=classes,
        origin=origin_of(files),
        remarks=reader.remarks(place),
    )


@dataclass(slots=True)
class _Reader:
    """What files say of images and categories; until all are read, a class has the number of its first mention."""

    images: dict[str, _CocoImage] = field(default_factory=dict)
    names: dict[Any, str] = field(default_factory=dict)
    keypoints: int = 0

    def read(self, file: Path) -> None:
        """Add what one file says to what is known already."""
        place = "top level"
        for image in self.images.values():
            image.earlier = len(image.instances)
        try:
            stored = json.loads(file.read_text(encoding="utf-8"))
            for category in stored.get("categories", []):
                place = f"category {category.get('id')}"
                self._add_category(category)
            numbers = {key: number for number, key in enumerate(self.names)}
            by_id: dict[Any, _CocoImage] = {}
            for entry in stored["images"]:
                place = f"image {entry.get('id')}"
                image = self._image(entry)
                if by_id.setdefault(entry["id"], image) is not image:
                    raise ValueError(f"both {by_id[entry['id']].path} and {image.path} have this id")
            for entry in stored["annotations"]:
                place = f"annotation {entry.get('id')}"
                _add_annotation(by_id[entry["image_id"]], entry, numbers)
        except _UNLIKE_COCO as error:
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise SourceError(f"{file}: {place}: {reason} (expected a COCO annotation file)") from error

    def numbered_classes(self, place: str) -> tuple[tuple[str, ...], list[int]]:
        """Class names in order of the ids, and the place there of each class in order of its first mention.

        Raises:
            SourceError: two have the same name.
        """
        if len(set(self.names.values())) < len(self.names):
            raise SourceError(f"{place}: two categories have the same name; give each one its own")
        ids = list(self.names)
        order = sorted(range(len(ids)), key=lambda k: (isinstance(ids[k], str), ids[k]))
        return tuple(self.names[ids[k]] for k in order), [order.index(k) for k in range(len(ids))]

    def remarks(self, place: str) -> tuple[str, ...]:
        """What is not kept."""
        return (f"{place}: the names of {self.keypoints} keypoints are not kept",) * bool(self.keypoints)

    def _add_category(self, stored: Mapping[str, Any]) -> None:
        key, name = stored["id"], str(stored["name"])
        if not isinstance(key, int | str):
            raise ValueError("its id is neither a number nor text")
        if self.names.setdefault(key, name) != name:
            raise ValueError(f"named {name} here and {self.names[key]} elsewhere")
        self.keypoints = max(self.keypoints, len(stored.get("keypoints") or ()))

    def _image(self, stored: Mapping[str, Any]) -> _CocoImage:
        """The image of that file name; one that is listed twice is one image."""
        path, height, width = str(stored["file_name"]), *_numbers((stored["height"], stored["width"]))
        if not (height > 0 and width > 0):
            raise ValueError(f"{path} is {width:g} x {height:g} px")
        image = self.images.setdefault(path, _CocoImage(path, height, width))
        if (image.height, image.width) != (height, width):
            raise ValueError(f"{path} is {width:g} x {height:g} px here, {image.width:g} x {image.height:g} elsewhere")
        return image


def _renumbered(instances: Iterable[Instance], number_of: Sequence[int]) -> Iterable[Instance]:
    return (i if i.label == number_of[i.label] else replace(i, label=number_of[i.label]) for i in instances)


def _add_annotation(image: _CocoImage, stored: Mapping[str, Any], numbers: Mapping[Any, int]) -> None:
    if "segments_info" in stored:
        raise ValueError(
            "panoptic segments lie in pictures whose colours are ids: convert the set's instances_*.json instead, and "
            "semantic masks with --masks"
        )
    if "caption" in stored:  # of one line: line feeds separate captions
        image.captions.append(" ".join(str(stored["caption"]).split()))
    else:
        image.add(_instance(stored, numbers, image), stored.get("id"))


def _instance(stored: Mapping[str, Any], numbers: Mapping[Any, int], image: _CocoImage) -> Instance:
    width, height = image.width, image.height
    left, top, across, down = _numbers(stored["bbox"])
    outlines: Any = stored.get("segmentation") or []
    is_mask = isinstance(outlines, dict)
    points = _numbers(stored.get("keypoints") or [])
    return Instance(
        label=numbers[stored["category_id"]],
        box=(left / width, top / height, (left + across) / width, (top + down) / height),
        polygons=() if is_mask else tuple(_outline(flat, image) for flat in outlines),
        keypoints=tuple(
            (x / width, y / height, int(v)) for x, y, v in zip(points[::3], points[1::3], points[2::3], strict=True)
        ),
        run_length_mask=_mask(outlines, image) if is_mask else None,
        crowd=bool(stored.get("iscrowd")),
    )


def _outline(flat: Sequence[Any], image: _CocoImage) -> Points:
    values = _numbers(flat)
    return tuple((x / image.width, y / image.height) for x, y in zip(values[::2], values[1::2], strict=True))


def _mask(stored: Mapping[str, Any], image: _CocoImage) -> RunLengthMask:
    try:
        return read_run_length_mask(stored, height=int(image.height), width=int(image.width))
    except ValueError as error:
        raise ValueError(
            f"its run-length mask {error}; encode it anew with pycocotools.mask or leave it out"
        ) from error


def _numbers(stored: Iterable[Any]) -> list[float]:
    values = [float(value) for value in stored]
    if not all(map(math.isfinite, values)):
        raise ValueError("a number that is not finite")
    return values
