"""YOLO's label files, one per image: ``class x y width height``, or ``class x1 y1 x2 y2 x3 y3 ...`` for outlines.

Numbers are shares of the image's sides, its EXIF orientation applied. https://docs.ultralytics.com/datasets/detect
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from inrformat.conversion.annotations.annotation import Annotation, Instance, Points
from inrformat.conversion.annotations.annotation_set import AnnotationSet, origin_of
from inrformat.conversion.annotations.class_names import numbered
from inrformat.errors import SourceError

__all__ = ["label_files", "read_label_files", "read_yolo"]

_NAMES_FILE = "classes.txt"
_TOLERANCE = 0.01
"""How far outside the image a share may lie, by rounding; ultralytics allows as much."""


def read_yolo(
    folder: Path, *, classes: tuple[str, ...] = (), keypoint_shape: tuple[int, int] | None = None
) -> AnnotationSet:
    """Read a folder of label files, those in its sub-folders included. An empty file is an image without objects.

    Args:
        classes: names by number; without any, the numbers. keypoint_shape: of pose labels, how many keypoints a row has
            behind its box, and whether these are of 2 or 3 numbers (``kpt_shape``).

    Raises:
        SourceError: there are none, or a row cannot be understood; the message names file and line.
    """
    files = {file.relative_to(folder).as_posix(): file for file in label_files(folder)}
    if not files:
        raise SourceError(f"{folder}: no YOLO label files (*.txt) found")
    return read_label_files(files, place=str(folder), own_suffixes=True, classes=classes, keypoint_shape=keypoint_shape)


def label_files(folder: Path) -> list[Path]:
    """The label files in a folder and its sub-folders, sorted."""
    return [path for path in sorted(folder.rglob("*.txt")) if path.name != _NAMES_FILE]


def read_label_files(
    files: Mapping[str, Path],
    *,
    place: str,
    own_suffixes: bool,
    classes: tuple[str, ...] = (),
    keypoint_shape: tuple[int, int] | None = None,
) -> AnnotationSet:
    """Read label files by what they call their image; other arguments as those of `read_yolo` and `AnnotationSet`."""
    by_path = {name: Annotation(tuple(_rows(file, keypoint_shape))) for name, file in files.items()}
    highest = max((i.label for a in by_path.values() for i in a.instances), default=-1)
    names = classes or numbered({k: str(k) for k in range(highest + 1)}, Path(place))
    if highest >= len(names):
        raise SourceError(f"{place}: class {highest} of {len(names)} class names")
    return AnnotationSet(
        place=place,
        kind="objects",
        by_path=by_path,
        own_suffixes=own_suffixes,
        classes=names,
        origin=origin_of(list(files.values())),
    )


def _rows(path: Path, keypoint_shape: tuple[int, int] | None) -> Iterator[Instance]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: unreadable labels ({error})") from error
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        try:
            yield _instance(_label(words[0]), [float(word) for word in words[1:]], keypoint_shape)
        except ValueError as error:
            raise SourceError(f"{path}, line {number}: {error}") from error


def _label(word: str) -> int:
    """A class number, which some programs write as 3.0."""
    value = float(word)
    if not (value >= 0 and value.is_integer()):
        raise ValueError(f"class {word} is not a number from 0 on")
    return int(value)


def _instance(label: int, values: list[float], keypoint_shape: tuple[int, int] | None) -> Instance:
    keypoint_values = math.prod(keypoint_shape) if keypoint_shape else 0
    if len(values) == 4 + keypoint_values:
        x, y, width, height = _shares(values[:4])
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        return Instance(label, box, keypoints=_keypoints(values[4:], keypoint_shape))
    if len(values) >= 6 and len(values) % 2 == 0 and not keypoint_shape:
        values = _shares(values)
        outline = tuple(zip(values[::2], values[1::2], strict=True))
        return Instance(label, _bounds(outline), (outline,))
    expected = (
        f"{4 + keypoint_values}" if keypoint_shape else "4, or x y pairs (for keypoints name a .yaml with kpt_shape)"
    )
    raise ValueError(f"{len(values)} numbers after the class; expected {expected}")


def _shares(values: list[float]) -> list[float]:
    for value in values:
        if not -_TOLERANCE <= value <= 1 + _TOLERANCE:  # so is NaN not
            raise ValueError(f"{value:g} is no share of the image's sides, from 0 to 1; divide pixels by its size")
    return values


def _keypoints(values: list[float], shape: tuple[int, int] | None) -> tuple[tuple[float, float, int], ...]:
    """(x, y, visibility); points of two numbers are visible."""
    if shape is None:
        return ()
    step = shape[1]
    points = [values[k : k + step] for k in range(0, len(values), step)]
    _shares([share for point in points for share in point[:2]])
    return tuple((p[0], p[1], int(p[2]) if step == 3 else 2) for p in points)


def _bounds(points: Points) -> tuple[float, float, float, float]:
    x, y = zip(*points, strict=True)
    return min(x), min(y), max(x), max(y)
