"""Class names by number, from a text file or a YOLO .yaml file, and what else the latter says of labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from inrformat.errors import SourceError

__all__ = ["keypoint_shape_in", "names_in", "numbered", "read_class_names", "read_keypoint_shape", "read_yaml_map"]

_YAML = {".yaml", ".yml"}
_MOST_CLASSES = 1 << 20


def read_class_names(path: Path) -> tuple[str, ...]:
    """Class names by number from a text file, one per line, or from ``names:`` or ``classes:`` of a YOLO .yaml file.

    Raises:
        SourceError: there are none, or one occurs twice.
    """
    if path.suffix.lower() in _YAML:
        stored = read_yaml_map(path)
        names = names_in(stored, path) or names_in({"names": stored.get("classes")}, path)
    else:
        lines = [line.split(" #")[0].strip() for line in _text_of(path).splitlines() if not line.startswith("#")]
        names = numbered(dict(enumerate(filter(None, lines))), path)
    if not names:
        raise SourceError(f"{path}: no class names found (expected a list or map under names: or classes:)")
    return names


def read_keypoint_shape(path: Path) -> tuple[int, int] | None:
    """``kpt_shape`` of a YOLO .yaml file, see `keypoint_shape_in`; None where there is none, and of a text file.

    Raises:
        SourceError: the file cannot be read, or it is something else.
    """
    return keypoint_shape_in(read_yaml_map(path), path) if path.suffix.lower() in _YAML else None


def read_yaml_map(path: Path) -> dict[str, Any]:
    """The map that a .yaml file holds.

    Raises:
        SourceError: it cannot be read, or holds something else.
    """
    try:
        stored = yaml.safe_load(_text_of(path))
    except (yaml.YAMLError, RecursionError) as error:
        raise SourceError(f"{path}: not a YAML file ({str(error).splitlines()[0]})") from error
    if not isinstance(stored, dict):
        raise SourceError(f"{path}: expected a map")
    return stored


def names_in(stored: Mapping[str, Any], path: Path) -> tuple[str, ...]:
    """The class names below ``names``, a list or a map of numbers to names; none where there are none.

    Raises:
        SourceError: they are something else, or one occurs twice.
    """
    names = stored.get("names") or {}
    try:
        by_number = dict(enumerate(names)) if isinstance(names, list) else dict(names)
        if not all(isinstance(name, str | int | float) for name in by_number.values()):
            raise TypeError("a name that is no text")
        return numbered({int(number): str(name) for number, name in by_number.items()}, path)
    except SourceError:
        raise
    except (TypeError, ValueError) as error:
        raise SourceError(f"{path}: class names: expected a list, or a map of numbers to names") from error


def keypoint_shape_in(stored: Mapping[str, Any], path: Path) -> tuple[int, int] | None:
    """``kpt_shape`` of pose labels: how many keypoints an object has, and whether each has 2 or 3 numbers.

    Raises:
        SourceError: it is something else.
    """
    shape = stored.get("kpt_shape")
    if shape is None:
        return None
    if isinstance(shape, list) and [type(n) for n in shape] == [int, int] and shape[0] > 0 and shape[1] in {2, 3}:
        return shape[0], shape[1]
    raise SourceError(f"{path}: kpt_shape: expected [keypoints, 2 or 3], this is {str(shape)[:40]}")


def numbered(names: Mapping[int, str], path: Path) -> tuple[str, ...]:
    """Names by number; where there are gaps, a made-up name."""
    if len(set(names.values())) != len(names):
        raise SourceError(f"{path}: a class name occurs twice")
    if names and not 0 <= min(names) <= max(names) < _MOST_CLASSES:
        raise SourceError(
            f"{path}: class numbers {min(names)} to {max(names)} where 0 to {_MOST_CLASSES - 1} are allowed"
        )
    return tuple(names.get(k, f"class {k}") for k in range(max(names, default=-1) + 1))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: unreadable ({error})") from error
