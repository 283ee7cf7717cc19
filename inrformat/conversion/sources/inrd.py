"""Another .inrd file, or several, as a source: to encode it anew, at another size or quality."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from inrformat.container.fields import Field
from inrformat.container.masks import unpack_instances, unpack_semantic
from inrformat.container.reader import InrdReader
from inrformat.container.targets import (
    BOX_LABELS_FIELD,
    BOXES_FIELD,
    CROWD_FIELD,
    INSTANCES_FIELD,
    KEYPOINTS_FIELD,
    NAME_FIELD,
    SEMANTIC_FIELD,
    checked_column,
)
from inrformat.conversion.annotations.annotation import Annotation, Instance
from inrformat.conversion.annotations.run_length import RunLengthMask
from inrformat.conversion.pixels.read import ImageFile
from inrformat.conversion.report import Report
from inrformat.conversion.sources.listed import ListedSource
from inrformat.data.dataset import InrdDataset

__all__ = ["scan_inrd"]

_IN_PIXELS = (BOXES_FIELD, BOX_LABELS_FIELD, CROWD_FIELD, INSTANCES_FIELD, KEYPOINTS_FIELD, SEMANTIC_FIELD)
"""Columns that are made anew, for images of another size."""


def scan_inrd(path: str, *, storage_options: Mapping[str, Any] | None = None) -> ListedSource:
    """The images of a file at native size, with its classes and all columns but the report of its conversion.

    Raises:
        InvalidFileError and others, as in `InrdDataset`.
    """
    dataset = InrdDataset(path, storage_options=storage_options)
    reader = dataset.reader
    stored = reader.text_field(NAME_FIELD)
    digits = len(str(len(reader)))
    names = tuple(stored) if stored is not None else tuple(f"{k:0{digits}}" for k in range(len(reader)))
    rows = {name: row for row, name in enumerate(names)}
    left_out = {NAME_FIELD, *_IN_PIXELS, *Report.of(reader).columns()}

    def image(name: str) -> ImageFile:
        pixels, _ = dataset[rows[name]]
        array: ImageFile = pixels.permute(1, 2, 0).cpu().numpy()
        return array

    columns = [spec for spec in reader.metadata.fields if spec.name not in left_out]
    return ListedSource(
        place=str(reader.path),
        names=names,
        image=image,
        classes=reader.metadata.classes,
        fields=tuple(Field(spec.name, spec.type, _column(reader, spec.name)) for spec in columns),
        annotations=_annotations(reader),
        origin=f"{reader.header.crc32c}",
    )


def _column(reader: InrdReader, name: str) -> Any:
    column = reader.field(name)
    return column.tolist() if isinstance(column, np.ndarray) else column


def _annotations(reader: InrdReader) -> tuple[Annotation, ...]:
    columns = {name: checked_column(reader, name) for name in _IN_PIXELS if name in reader.field_names}
    return tuple(_annotation(reader, columns, row) for row in range(len(reader))) if columns else ()


def _annotation(reader: InrdReader, columns: dict[str, Any], row: int) -> Annotation:
    """What a file says of places in one image, in shares of its sides."""
    height, width = size = int(reader.index.heights[row]), int(reader.index.widths[row])
    here = {name: column[row] for name, column in columns.items()}
    labels = here.get(BOX_LABELS_FIELD, ())
    boxes = np.reshape(here.get(BOXES_FIELD, ()), (-1, 4)) / (width, height, width, height)
    masks: list[RunLengthMask | None] = [None] * len(labels)
    if INSTANCES_FIELD in here:
        planes = unpack_instances(here[INSTANCES_FIELD], count=len(labels), size=size)
        masks = [RunLengthMask.of(plane) for plane in planes]
    crowds = here.get(CROWD_FIELD, [0] * len(labels))
    points = np.reshape(here.get(KEYPOINTS_FIELD, ()), (-1, 3)).tolist()
    return Annotation(
        instances=tuple(
            Instance(int(label), tuple(box), run_length_mask=mask, crowd=bool(crowd))
            for label, box, mask, crowd in zip(labels, boxes.tolist(), masks, crowds, strict=True)
        ),
        keypoints=tuple((x / width, y / height, int(seen)) for x, y, seen in points),
        mask=unpack_semantic(here[SEMANTIC_FIELD], size=size) if SEMANTIC_FIELD in here else None,
    )
