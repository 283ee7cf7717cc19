"""COCO's JSON files: objects with boxes, outlines or run-length masks, keypoints, and captions.

The format: https://cocodataset.org/#format-data. Pictures are taken as they lie in their files, without their EXIF
orientation: so pycocotools and ``torchvision.datasets.CocoDetection`` see them, and so they were annotated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inrformat.conversion.annotations.annotation import Annotation, Instance
from inrformat.conversion.annotations.annotation_set import AnnotationSet, origin_of
from inrformat.conversion.annotations.run_length import read_run_length_mask
from inrformat.errors import SourceError

__all__ = ["read_coco"]

_UNLIKE_COCO = (OSError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


@dataclass(slots=True)
class _CocoImage:
    """One image of a file, and what was found of it so far."""

    path: str
    height: float
    width: float
    instances: list[Instance] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)


def read_coco(files: Sequence[Path]) -> AnnotationSet:
    """Read one JSON file, or several of the same images: objects and captions, say.

    Class numbers are those of the categories in order of their ids, which need not be without gaps.

    Raises:
        SourceError: a file is none of COCO's, or contradicts itself or another; the message names file and place.
    """
    images: dict[str, _CocoImage] = {}
    categories: dict[Any, str] = {}
    for file in files:
        _read_file(file, images, categories)
    place = " and ".join(map(str, files))
    if len(set(categories.values())) < len(categories):
        raise SourceError(f"{place}: two categories have the same name")
    by_path = {i.path: Annotation(instances=tuple(i.instances), captions=tuple(i.captions)) for i in images.values()}
    has_objects = any(i.instances for i in images.values())
    return AnnotationSet(
        place=place,
        kind="objects" if has_objects else "captions",
        by_path=by_path,
        own_suffixes=False,
        classes=tuple(categories[k] for k in sorted(categories)),
        as_stored=True,
        origin=origin_of(files),
    )


def _read_file(file: Path, images: dict[str, _CocoImage], categories: dict[Any, str]) -> None:
    """Add what one file says to what is known already."""
    place = "top level"
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        for category in stored.get("categories", []):
            place = f"category {category.get('id')}"
            if categories.setdefault(category["id"], str(category["name"])) != str(category["name"]):
                raise ValueError("another file gives it another name")
        numbers = {key: number for number, key in enumerate(sorted(categories))}
        by_id: dict[Any, _CocoImage] = {}
        for image in stored["images"]:
            place = f"image {image.get('id')}"
            by_id[image["id"]] = _known(images, image)
        for entry in stored["annotations"]:
            place = f"annotation {entry.get('id')}"
            _add(by_id[entry["image_id"]], entry, numbers)
    except _UNLIKE_COCO as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise SourceError(f"{file}: {place}: {reason} (expected a COCO annotation file)") from error


def _known(images: dict[str, _CocoImage], stored: Mapping[str, Any]) -> _CocoImage:
    """The image of that file name; one that is listed twice is one image."""
    path, height, width = str(stored["file_name"]), float(stored["height"]), float(stored["width"])
    image = images.setdefault(path, _CocoImage(path, height, width))
    if (image.height, image.width) != (height, width) or not (height > 0 and width > 0):
        raise ValueError(f"{path} is {width:g} x {height:g} px here, and {image.width:g} x {image.height:g} elsewhere")
    return image


def _add(image: _CocoImage, entry: Mapping[str, Any], numbers: Mapping[Any, int]) -> None:
    if "segments_info" in entry:
        raise ValueError("panoptic segments are not supported: convert the instances and semantic masks of the set")
    if "caption" in entry:
        image.captions.append(str(entry["caption"]))
    else:
        image.instances.append(_instance(entry, numbers, image.width, image.height))


def _instance(entry: Mapping[str, Any], numbers: Mapping[Any, int], width: float, height: float) -> Instance:
    left, top, across, down = (float(v) for v in entry["bbox"])
    outlines = entry.get("segmentation") or []
    run_length_mask = None
    if isinstance(outlines, dict):
        try:
            run_length_mask, outlines = read_run_length_mask(outlines, height=int(height), width=int(width)), []
        except ValueError as error:
            raise ValueError(
                f"its run-length mask {error}; encode it anew with pycocotools.mask or leave it out"
            ) from error
    polygons = tuple(
        tuple((x / width, y / height) for x, y in zip(flat[::2], flat[1::2], strict=True)) for flat in outlines
    )
    points = entry.get("keypoints") or []
    keypoints = tuple(
        (x / width, y / height, int(v)) for x, y, v in zip(points[::3], points[1::3], points[2::3], strict=True)
    )
    return Instance(
        label=numbers[entry["category_id"]],
        box=(left / width, top / height, (left + across) / width, (top + down) / height),
        polygons=polygons,
        keypoints=keypoints,
        run_length_mask=run_length_mask,
        crowd=bool(entry.get("iscrowd")),
    )
