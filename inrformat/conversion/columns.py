"""Annotations to field columns, image by image as they are written."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from inrformat.container.fields import Field, FieldType
from inrformat.container.masks import pack_instances, pack_semantic
from inrformat.container.metadata import FieldSpec
from inrformat.container.targets import (
    BOX_LABELS_FIELD,
    BOXES_FIELD,
    CAPTION_FIELD,
    CROWD_FIELD,
    INSTANCES_FIELD,
    KEYPOINTS_FIELD,
    LABEL_FIELD,
    LABELS_FIELD,
    NAME_FIELD,
    SEMANTIC_FIELD,
    TARGET_TYPES,
)
from inrformat.conversion.annotations.annotation import Annotation
from inrformat.conversion.annotations.rasterize import class_numbers, filled
from inrformat.errors import SourceError

__all__ = ["TargetColumns", "annotation_columns", "check_classes", "class_names_by_number", "plain", "values_of"]

_Make = Callable[[Annotation, int, int], Any]
"""The value of a column for an annotation of an image stored with some height and width in pixels."""


def annotation_columns(annotations: Iterable[Annotation]) -> tuple[FieldSpec, ...]:
    """The columns that these annotations need: those of the kinds of targets that any of them has."""
    every = list(annotations)
    instances = [i for a in every for i in a.instances]
    has = {
        BOXES_FIELD: bool(instances),
        BOX_LABELS_FIELD: bool(instances),
        CROWD_FIELD: any(i.crowd for i in instances),
        INSTANCES_FIELD: any(i.polygons or i.run_length_mask for i in instances),
        KEYPOINTS_FIELD: any(i.keypoints for i in instances) or any(a.keypoints for a in every),
        CAPTION_FIELD: any(a.captions for a in every),
        SEMANTIC_FIELD: any(a.mask is not None for a in every),
    }
    return tuple(FieldSpec(name, TARGET_TYPES[name]) for name, needed in has.items() if needed)


class TargetColumns:
    """Collects the columns of a source's targets while its images are written."""

    def __init__(self, columns: Sequence[FieldSpec]) -> None:
        """``columns``: of the source; each image must have a value for each of them, or an annotation."""
        self._specs = tuple(columns)
        self._columns: dict[str, Any] = {
            spec.name: array("q") if spec.type is FieldType.INT64 else [] for spec in columns
        }
        self.names: list[str] = []

    def add(self, name: str, values: Mapping[str, Any]) -> None:
        """Take along the image ``name`` with what `values_of` gave for it."""
        self.names.append(name)
        for column, collected in self._columns.items():
            collected.append(values[column])

    def fields(self) -> list[Field]:
        """The columns, of the images taken along so far, the names behind the class numbers."""
        fields = [Field(spec.name, spec.type, self._columns[spec.name]) for spec in self._specs]
        first = [f for f in fields if f.name == LABEL_FIELD]
        return [*first, Field(NAME_FIELD, FieldType.UTF8, self.names), *(f for f in fields if f.name != LABEL_FIELD)]


def values_of(
    columns: Sequence[FieldSpec], values: Mapping[str, Any], annotation: Annotation, *, height: int, width: int
) -> dict[str, Any]:
    """What each of ``columns`` holds for one image stored with ``height`` and ``width``: plain types of msgpack.

    Args:
        values: of columns that say nothing of places in the image. annotation: what the others are made from.

    Raises:
        SourceError: a mask is unreadable, or a value is missing.
    """
    found = {}
    for spec in columns:
        if spec.name in values:
            found[spec.name] = plain(values[spec.name])
        elif spec.name in _MAKERS:
            found[spec.name] = _MAKERS[spec.name](annotation, height, width)
        else:
            raise SourceError(f"no target {spec.name!r}, which others have")
    return found


def check_classes(values: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Hold the class numbers among the values of one image to the classes there are, which may not be named yet.

    Raises:
        SourceError: one is beyond them.
    """
    numbers = [values[LABEL_FIELD]] if LABEL_FIELD in values else []
    numbers += [*values.get(LABELS_FIELD, ()), *values.get(BOX_LABELS_FIELD, ())]
    if bad := [n for n in numbers if n < 0 or (classes and n >= len(classes))]:
        among = f"one of {len(classes)} classes" if classes else "a class, which are numbered from 0 on"
        raise SourceError(f"class number {bad[0]} is not {among}")


def class_names_by_number(fields: Sequence[Field]) -> tuple[str, ...]:
    """Numbers as names, as many as the class numbers in columns need."""
    highest = -1
    for column in fields:
        if column.name == LABEL_FIELD:
            highest = max(highest, *column.values)
        elif column.name in {LABELS_FIELD, BOX_LABELS_FIELD}:
            highest = max([highest, *(number for numbers in column.values for number in numbers)])
    return tuple(str(number) for number in range(highest + 1))


def plain(value: Any) -> Any:
    """A value of a column without numpy: bytes, text, numbers and lists of numbers."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _boxes(annotation: Annotation, height: int, width: int) -> list[float]:
    """left, top, right, bottom of every object in pixels, end to end, cut to the image."""
    shares = np.array([i.box for i in annotation.instances], np.float64).reshape(-1, 4)
    pixels: list[float] = (shares.clip(0, 1) * (width, height, width, height)).ravel().tolist()
    return pixels


def _keypoints(annotation: Annotation, height: int, width: int) -> list[float]:
    points = [*(p for i in annotation.instances for p in i.keypoints), *annotation.keypoints]
    triples = np.array(points, np.float64).reshape(-1, 3)
    pixels: list[float] = (triples * (width, height, 1)).ravel().tolist()
    return pixels


def _instances(annotation: Annotation, height: int, width: int) -> bytes:
    planes = np.zeros((len(annotation.instances), height, width), np.bool_)
    for plane, instance in zip(planes, annotation.instances, strict=True):
        plane[:] = filled(instance, height, width)
    return pack_instances(planes)


def _semantic(annotation: Annotation, height: int, width: int) -> bytes:
    return pack_semantic(class_numbers(annotation.mask, height, width))


_MAKERS: dict[str, _Make] = {
    BOXES_FIELD: _boxes,
    BOX_LABELS_FIELD: lambda a, _h, _w: [i.label for i in a.instances],
    CROWD_FIELD: lambda a, _h, _w: [int(i.crowd) for i in a.instances],
    INSTANCES_FIELD: _instances,
    KEYPOINTS_FIELD: _keypoints,
    CAPTION_FIELD: lambda a, _h, _w: "\n".join(a.captions),
    SEMANTIC_FIELD: _semantic,
}
"""How the columns that annotations fill are made."""
