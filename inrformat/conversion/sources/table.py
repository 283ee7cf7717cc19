"""Columns of values whose types nobody has stated."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from inrformat.container.fields import Field, FieldType
from inrformat.container.targets import NAME_FIELD, TARGET_TYPES
from inrformat.errors import SourceError

__all__ = ["typed_column"]


def typed_column(name: str, values: Sequence[Any], *, place: str) -> Field:
    """A column of the narrowest type that holds all of its values.

    Raises:
        SourceError: there is none, or the name stands for something else in an .inrd.
    """
    attempts: tuple[tuple[FieldType, Callable[[Any], Any]], ...] = (
        (FieldType.INT64, _strict_int),
        (FieldType.FLOAT64, _strict_float),
        (FieldType.INT64_LIST, lambda v: [_strict_int(x) for x in _strict_list(v)]),
        (FieldType.FLOAT64_LIST, lambda v: [_strict_float(x) for x in _strict_list(v)]),
        (FieldType.UTF8, _strict_text),
    )
    for kind, read in attempts:
        try:
            found = [read(value) for value in values]
        except (TypeError, ValueError):
            continue
        wanted = FieldType.UTF8 if name == NAME_FIELD else TARGET_TYPES.get(name, kind)
        if name == NAME_FIELD or wanted not in {kind, FieldType.UTF8}:
            raise SourceError(f"{place}: a column {name!r} is {wanted} in an .inrd, here it is {kind}; rename it")
        return Field(name, wanted, found if wanted is kind else [str(value) for value in values])
    row = next((k for k, value in enumerate(values) if not isinstance(value, str | int | float | list)), 0)
    raise SourceError(
        f"{place}: column {name!r} cannot be stored: neither numbers, nor text, nor lists of numbers throughout "
        f"({values[row]!r} of image {row + 1})"
    )


def _strict_int(value: Any) -> int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        raise TypeError("a float")
    return int(value)


def _strict_float(value: Any) -> float:
    return float(value)


def _strict_list(value: Any) -> list[Any]:
    found = value if isinstance(value, list) else json.loads(value)
    if not isinstance(found, list):
        raise TypeError("no list")
    return found


def _strict_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
