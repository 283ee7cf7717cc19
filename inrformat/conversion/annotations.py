"""What is known of images beside their class: boxes, polygons, masks, keypoints and captions, by image name.

Read from COCO's JSON (``annotations/instances_*.json`` and its keypoint and caption files) or from YOLO's text files,
one per image: ``class x y width height`` or ``class x1 y1 x2 y2 x3 y3 ...``, relative to the image's sides.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inrformat.container.targets import LABEL_FIELD
from inrformat.conversion.annotation import Annotation, Instance, Points
from inrformat.conversion.run_length import read_run_length_mask
from inrformat.conversion.sources.listed import ListedSource
from inrformat.errors import SourceError

__all__ = ["Annotations", "annotated", "read_annotations", "read_class_names", "with_masks"]


@dataclass(frozen=True, slots=True)
class Annotations:
    """Of a whole source: class names, and annotations by the image's file name without folder and suffix."""

    classes: tuple[str, ...] = ()
    by_stem: Mapping[str, Annotation] = field(default_factory=dict)

    def of(self, name: str) -> Annotation:
        """Of the image ``name``; nothing where nothing is known."""
        return self.by_stem.get(Path(name).stem, Annotation())


def annotated(source: ListedSource, annotations: Annotations) -> ListedSource:
    """The same images with targets; their classes take the place of folders.

    Raises:
        SourceError: none of the images is annotated.
    """
    if not any(Path(name).stem in annotations.by_stem for name in source.names):
        raise SourceError(f"{source.place}: none of its images has an annotation of the same file name")
    fields = tuple(f for f in source.fields if f.name != LABEL_FIELD)
    found = tuple(annotations.of(name) for name in source.names)
    return replace(source, classes=annotations.classes, fields=fields, annotations=found)


def read_annotations(path: Path, *, classes: tuple[str, ...] = ()) -> Annotations:
    """Read a COCO JSON file or a folder of YOLO label files.

    Args:
        classes: names by number, for YOLO; numbers without a name get one.

    Raises:
        SourceError: something in it cannot be understood; the message names file and place.
    """
    if path.is_dir():
        return _read_yolo(path, classes)
    if path.suffix.lower() != ".json":
        raise SourceError(f"{path}: expected a folder of YOLO .txt files or a COCO .json file")
    return _read_coco(path)


def with_masks(annotations: Annotations | None, folder: Path, *, classes: tuple[str, ...] = ()) -> Annotations:
    """Add a folder of semantic masks: images of class numbers, named like the images they belong to."""
    known = annotations or Annotations(classes)
    masks = {p.stem: p for p in sorted(folder.glob("*.png"))}
    if not masks:
        raise SourceError(f"{folder}: no .png masks found")
    stems = {**dict.fromkeys(masks), **dict.fromkeys(known.by_stem)}
    merged = {s: replace(known.by_stem.get(s, Annotation()), mask=masks.get(s)) for s in stems}
    return Annotations(known.classes, merged)


def read_class_names(path: Path) -> tuple[str, ...]:
    """Class names by number from a text file, one per line, or from ``names:`` or ``classes:`` of a YOLO .yaml file.

    Raises:
        SourceError: there are none, or one occurs twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: unreadable class names ({error})") from error
    lines = [line.split(" #")[0].rstrip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    names = _yaml_names(lines) if path.suffix.lower() in {".yaml", ".yml"} else dict(enumerate(filter(None, lines)))
    if not names:
        raise SourceError(f"{path}: no class names found (expected a list or map under names: or classes:)")
    return _filled(names, path)


def _yaml_names(lines: list[str]) -> dict[int, str]:
    """The entries below ``names:``: ``- name``, ``number: name``, or ``[name, name]`` on its own line."""
    names: dict[int, str] = {}
    inside = False
    for line in lines:
        key, _, value = line.strip().partition(":")
        if not line.startswith((" ", "-", "\t")):
            inside = key in {"names", "classes"}
            if inside and value.strip().startswith("["):
                names = dict(enumerate(v.strip(" '\"") for v in value.strip(" []").split(",")))
        elif inside and line.strip().startswith("- "):
            names[len(names)] = line.strip()[2:].strip(" '\"")
        elif inside and key.strip().isdigit():
            names[int(key)] = value.strip(" '\"")
    return names


def _filled(names: Mapping[int, str], path: Path) -> tuple[str, ...]:
    """Names by number without gaps."""
    if len(set(names.values())) != len(names):
        raise SourceError(f"{path}: a class name occurs twice")
    return tuple(names.get(k, f"class {k}") for k in range(max(names) + 1))


# -- YOLO


def _read_yolo(folder: Path, classes: tuple[str, ...]) -> Annotations:
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise SourceError(f"{folder}: no YOLO label files (*.txt) found")
    by_stem = {f.stem: Annotation(tuple(_yolo_rows(f))) for f in files}
    highest = max((i.label for a in by_stem.values() for i in a.instances), default=-1)
    names = _filled({k: str(k) for k in range(highest + 1)}, folder) if not classes and highest >= 0 else classes
    if highest >= len(names):
        raise SourceError(f"{folder}: class {highest} of {len(names)} class names")
    return Annotations(names, by_stem)


def _yolo_rows(path: Path) -> Iterable[Instance]:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        words = line.split()
        if not words:
            continue
        try:
            label, values = int(words[0]), [float(w) for w in words[1:]]
        except ValueError as error:
            raise SourceError(f"{path}, line {number}: {error}") from error
        if label < 0 or not all(math.isfinite(v) for v in values):
            raise SourceError(f"{path}, line {number}: a negative class or a number that is not finite")
        if len(values) == 4:
            x, y, width, height = values
            yield Instance(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        elif len(values) >= 6 and len(values) % 2 == 0:
            outline = tuple(zip(values[::2], values[1::2], strict=True))
            yield Instance(label, _bounds(outline), (outline,))
        else:
            raise SourceError(f"{path}, line {number}: {len(values)} numbers after the class; expected 4, or x y pairs")


def _bounds(points: Points) -> tuple[float, float, float, float]:
    x, y = zip(*points, strict=True)
    return min(x), min(y), max(x), max(y)


# -- COCO


class _BadMaskError(Exception):
    """A run-length mask that does not fit its image."""


def _read_coco(path: Path) -> Annotations:
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        categories = sorted(stored.get("categories", []), key=lambda c: c["id"])
        numbers = {c["id"]: k for k, c in enumerate(categories)}
        images = {i["id"]: (Path(i["file_name"]).stem, float(i["width"]), float(i["height"])) for i in stored["images"]}
        instances: dict[str, list[Instance]] = defaultdict(list)
        captions: dict[str, list[str]] = defaultdict(list)
        for entry in stored["annotations"]:
            stem, width, height = images[entry["image_id"]]
            if "caption" in entry:
                captions[stem].append(str(entry["caption"]))
            else:
                instances[stem].append(_coco_instance(entry, numbers, width, height))
    except _BadMaskError as error:
        raise SourceError(f"{path}: {error}; encode it anew with pycocotools.mask or leave it out") from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise SourceError(f"{path}: not a COCO annotation file ({type(error).__name__}: {error})") from error
    stems = {stem for stem, _, _ in images.values()}
    by_stem = {s: Annotation(tuple(instances[s]), tuple(captions[s])) for s in sorted(stems)}
    return Annotations(tuple(str(c["name"]) for c in categories), by_stem)


def _coco_instance(entry: Mapping[str, Any], numbers: Mapping[int, int], width: float, height: float) -> Instance:
    left, top, across, down = (float(v) for v in entry["bbox"])
    outlines = entry.get("segmentation", [])
    run_length_mask = None
    if isinstance(outlines, dict):
        try:
            run_length_mask, outlines = read_run_length_mask(outlines, height=int(height), width=int(width)), []
        except ValueError as error:
            raise _BadMaskError(f"annotation {entry.get('id')}: its run-length mask {error}") from error
    polygons = tuple(
        tuple((x / width, y / height) for x, y in zip(flat[::2], flat[1::2], strict=True)) for flat in outlines
    )
    points = entry.get("keypoints", [])
    keypoints = tuple(
        (x / width, y / height, int(v)) for x, y, v in zip(points[::3], points[1::3], points[2::3], strict=True)
    )
    box = (left / width, top / height, (left + across) / width, (top + down) / height)
    return Instance(
        numbers[entry["category_id"]], box, polygons, keypoints, run_length_mask, bool(entry.get("iscrowd"))
    )
