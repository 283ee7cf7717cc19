"""Field columns that are targets: their names, and what each name demands of its column (spec section 5.5).

``checked_column`` gives a column that was held to the demands of its name; ``validate`` and the data set both use it,
so that a file that validates can be trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.container.fields import FieldType, VariableColumn
from inrformat.container.masks import unpack_instances, unpack_semantic
from inrformat.container.reader import InrdReader
from inrformat.errors import InvalidFileError

__all__ = [
    "BOXES_FIELD",
    "BOX_LABELS_FIELD",
    "CAPTION_FIELD",
    "CROWD_FIELD",
    "INSTANCES_FIELD",
    "KEYPOINTS_FIELD",
    "LABELS_FIELD",
    "LABEL_FIELD",
    "NAME_FIELD",
    "SEMANTIC_FIELD",
    "TARGET_TYPES",
    "VALUES_FIELD",
    "checked_column",
    "mask_faults",
]

NAME_FIELD = "name"
LABEL_FIELD, LABELS_FIELD, VALUES_FIELD, CAPTION_FIELD = "label", "labels", "values", "caption"
BOXES_FIELD, BOX_LABELS_FIELD, CROWD_FIELD, INSTANCES_FIELD = "boxes", "box_labels", "iscrowd", "instances"
SEMANTIC_FIELD, KEYPOINTS_FIELD = "semantic", "keypoints"

TARGET_TYPES = {
    LABEL_FIELD: FieldType.INT64,
    LABELS_FIELD: FieldType.INT64_LIST,
    VALUES_FIELD: FieldType.FLOAT64_LIST,
    CAPTION_FIELD: FieldType.UTF8,
    BOXES_FIELD: FieldType.FLOAT64_LIST,
    BOX_LABELS_FIELD: FieldType.INT64_LIST,
    CROWD_FIELD: FieldType.INT64_LIST,
    INSTANCES_FIELD: FieldType.BYTES,
    SEMANTIC_FIELD: FieldType.BYTES,
    KEYPOINTS_FIELD: FieldType.FLOAT64_LIST,
}
"""The type that each target's column must have."""


def checked_column(reader: InrdReader, name: str) -> Any:
    """A target's column, held to the demands of its name; masks alone are looked at when they are unpacked.

    Returns:
        An array or a ``VariableColumn``; None where the file has no field of that name.

    Raises:
        InvalidFileError: FIELD-LABEL or FIELD-TARGET does not hold.
    """
    column = reader.field(name)
    if column is None:
        return None
    wanted = TARGET_TYPES[name]
    found = {f.name: f.type for f in reader.metadata.fields}[name]
    if found is not wanted:
        rule = "FIELD-LABEL" if name == LABEL_FIELD else "FIELD-TARGET"
        raise InvalidFileError(rule, f"field {name!r} is of type {found}, expected {wanted}", path=reader.path)
    if name in _DEMANDS:
        try:
            _DEMANDS[name](reader, column)
        except InvalidFileError as error:
            raise error.in_file(reader.path) from error.__cause__
    return column


def mask_faults(reader: InrdReader) -> Iterator[InvalidFileError]:
    """What is wrong with each mask of the file, one after the other; nothing is kept in memory."""
    instances, semantic = (checked_column(reader, name) for name in (INSTANCES_FIELD, SEMANTIC_FIELD))
    labels = None if instances is None else checked_column(reader, BOX_LABELS_FIELD)
    if instances is None and semantic is None:
        return
    for k in range(len(reader)):
        size = int(reader.index.heights[k]), int(reader.index.widths[k])
        try:
            if instances is not None and labels is not None:
                unpack_instances(instances[k], count=len(labels[k]), size=size)
            if semantic is not None:
                unpack_semantic(semantic[k], size=size)
        except InvalidFileError as error:
            yield InvalidFileError(error.rule, f"record {k}: {error.detail}")


def _check_class_numbers(reader: InrdReader, numbers: NDArray[np.int64], name: str) -> None:
    classes = len(reader.metadata.classes)
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < classes:
        raise InvalidFileError(
            "FIELD-LABEL", f"field {name!r} holds class numbers {numbers.min()}..{numbers.max()} of {classes} classes"
        )


def _check_label(reader: InrdReader, column: NDArray[np.int64]) -> None:
    _check_class_numbers(reader, column, LABEL_FIELD)


def _check_labels(reader: InrdReader, column: VariableColumn) -> None:
    _check_class_numbers(reader, column.items, LABELS_FIELD)


def _check_values(_reader: InrdReader, column: VariableColumn) -> None:
    if len(set(np.diff(column.ends, prepend=0).tolist())) > 1:
        raise InvalidFileError("FIELD-TARGET", f"field {VALUES_FIELD!r}: samples of unlike numbers of values")


def _check_box_labels(reader: InrdReader, column: VariableColumn) -> None:
    _check_class_numbers(reader, column.items, BOX_LABELS_FIELD)


def _check_boxes(reader: InrdReader, column: VariableColumn) -> None:
    labels = checked_column(reader, BOX_LABELS_FIELD)
    fits = labels is not None and np.array_equal(column.ends, 4 * labels.ends)
    if not fits or not np.isfinite(column.items).all():
        raise InvalidFileError("FIELD-TARGET", f"field {BOXES_FIELD!r}: not four finite numbers for each box label")


def _check_crowds(reader: InrdReader, column: VariableColumn) -> None:
    labels = checked_column(reader, BOX_LABELS_FIELD)
    if labels is None or not np.array_equal(column.ends, labels.ends):
        raise InvalidFileError("FIELD-TARGET", f"field {CROWD_FIELD!r}: not one number for each box label")


def _check_instances(reader: InrdReader, _column: VariableColumn) -> None:
    if BOX_LABELS_FIELD not in reader.field_names:
        raise InvalidFileError("FIELD-TARGET", f"field {INSTANCES_FIELD!r}: masks without box labels")


def _check_keypoints(_reader: InrdReader, column: VariableColumn) -> None:
    if (column.ends % 3).any() or not np.isfinite(column.items).all():
        raise InvalidFileError("FIELD-TARGET", f"field {KEYPOINTS_FIELD!r}: not three finite numbers for each keypoint")


_DEMANDS: dict[str, Callable[[InrdReader, Any], None]] = {
    LABEL_FIELD: _check_label,
    LABELS_FIELD: _check_labels,
    VALUES_FIELD: _check_values,
    BOX_LABELS_FIELD: _check_box_labels,
    BOXES_FIELD: _check_boxes,
    CROWD_FIELD: _check_crowds,
    INSTANCES_FIELD: _check_instances,
    KEYPOINTS_FIELD: _check_keypoints,
}
"""What a column's values must be, beyond its type."""
