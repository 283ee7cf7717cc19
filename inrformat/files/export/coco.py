"""The targets of a file as COCO's JSON has them. Ids count from 1: those of the source are not in an .inrd."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inrformat.container.masks import unpack_instances, unpack_semantic
from inrformat.container.reader import InrdReader
from inrformat.container.targets import (
    BOX_LABELS_FIELD,
    BOXES_FIELD,
    CAPTION_FIELD,
    CROWD_FIELD,
    INSTANCES_FIELD,
    KEYPOINTS_FIELD,
    SEMANTIC_FIELD,
    checked_column,
)
from inrformat.errors import UsageError

__all__ = ["CocoAnnotations"]

_COLUMNS = (
    BOXES_FIELD,
    BOX_LABELS_FIELD,
    CROWD_FIELD,
    INSTANCES_FIELD,
    KEYPOINTS_FIELD,
    CAPTION_FIELD,
    SEMANTIC_FIELD,
)


class CocoAnnotations:
    """Collects annotations while images are exported at native size."""

    def __init__(self, reader: InrdReader) -> None:
        """Raises: UsageError: the file has nothing that COCO has a form for."""
        self._reader = reader
        self._columns = {name: checked_column(reader, name) for name in _COLUMNS if name in reader.field_names}
        if not self._columns:
            raise UsageError(f"{reader.path}: no boxes, masks, keypoints or captions to annotate images with")
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    def add(self, number: int, name: str, *, masks: Path) -> None:
        """Take along record ``number``, exported as ``name``; its semantic mask is written below ``masks``."""
        height, width = size = int(self._reader.index.heights[number]), int(self._reader.index.widths[number])
        here = {column: values[number] for column, values in self._columns.items()}
        self._images.append({"id": number + 1, "file_name": name, "height": height, "width": width})
        for instance in self._instances(here, size):
            self._append(number, **instance)
        for caption in filter(None, str(here.get(CAPTION_FIELD, "")).split("\n")):
            self._append(number, caption=caption)
        if SEMANTIC_FIELD in here:
            path = (masks / name).with_suffix(".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            numbers = unpack_semantic(here[SEMANTIC_FIELD], size=size)
            Image.fromarray(numbers if numbers.dtype == np.uint8 else numbers.astype(np.uint16)).save(path)

    def to_map(self) -> dict[str, Any]:
        """All of it."""
        categories = [{"id": k + 1, "name": name} for k, name in enumerate(self._reader.metadata.classes)]
        return {"images": self._images, "annotations": self._annotations, "categories": categories}

    def _append(self, number: int, **values: Any) -> None:
        self._annotations.append({"id": len(self._annotations) + 1, "image_id": number + 1, **values})

    def _instances(self, here: dict[str, Any], size: tuple[int, int]) -> list[dict[str, Any]]:
        boxes = np.reshape(here.get(BOXES_FIELD, ()), (-1, 4)).tolist()
        labels = np.asarray(here.get(BOX_LABELS_FIELD, ())).tolist()
        crowds = np.asarray(here.get(CROWD_FIELD, [0] * len(labels))).tolist()
        instances = []
        for (left, top, right, bottom), label, crowd in zip(boxes, labels, crowds, strict=True):
            across, down = right - left, bottom - top
            instances.append(
                {
                    "category_id": label + 1,
                    "bbox": [left, top, across, down],
                    "area": across * down,
                    "iscrowd": crowd,
                    "segmentation": [],
                }
            )
        if INSTANCES_FIELD in here:
            planes = unpack_instances(here[INSTANCES_FIELD], count=len(labels), size=size)
            for instance, plane in zip(instances, planes, strict=True):
                instance |= {"segmentation": _run_lengths(plane), "area": int(plane.sum())}
        return _with_keypoints(instances, np.asarray(here.get(KEYPOINTS_FIELD, ())).tolist())


def _with_keypoints(instances: list[dict[str, Any]], flat: list[float]) -> list[dict[str, Any]]:
    """Keypoints of an image lie end to end, as many for each object; without objects they are those of one."""
    if not flat:
        return instances
    if not instances:
        return [
            {"category_id": 1, "bbox": [0, 0, 0, 0], "area": 0, "iscrowd": 0, "segmentation": [], "keypoints": flat}
        ]
    each = len(flat) // len(instances)
    if each * len(instances) == len(flat) and each % 3 == 0:
        return [{**i, "keypoints": flat[k * each : (k + 1) * each]} for k, i in enumerate(instances)]
    return [{**instances[0], "keypoints": flat}, *instances[1:]]


def _run_lengths(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """COCO's uncompressed run-length form: down the columns, pixels outside first."""
    down = np.concatenate([[False], mask.T.ravel(), [not mask[-1, -1]]])
    changes = np.flatnonzero(down[1:] != down[:-1])
    return {"size": list(mask.shape), "counts": np.diff(changes, prepend=0).tolist()}
