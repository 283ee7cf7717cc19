"""Targets of samples: which field columns of a file make which kind of target, and batches of them.

A kind reads its columns once and gives the target of one sample in its image's native pixels. ``KINDS`` names them
all; a field of any other name is a target as it is stored: bytes, text, numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors

from inrformat.container.fields import VariableColumn
from inrformat.container.masks import unpack_instances, unpack_semantic
from inrformat.container.reader import InrdReader
from inrformat.container.targets import (
    BOX_LABELS_FIELD,
    BOXES_FIELD,
    CAPTION_FIELD,
    CROWD_FIELD,
    INSTANCES_FIELD,
    KEYPOINTS_FIELD,
    LABEL_FIELD,
    LABELS_FIELD,
    SEMANTIC_FIELD,
    TARGET_TYPES,
    VALUES_FIELD,
    checked_column,
)
from inrformat.errors import UsageError

__all__ = ["KINDS", "UNLABELLED", "TargetColumn", "collate", "default_kind", "read_targets"]

UNLABELLED = -1
"""Target of every sample of a file without labels, as in ``torchvision.datasets.STL10(split="unlabeled")``."""


@dataclass(frozen=True, slots=True, eq=False)
class TargetColumn(Sequence[Any]):
    """The targets of a file.

    Attributes:
        one: the target of a sample by its number. samples: how many there are.
        whole: all targets as one tensor ``(samples, ...)``, where they have one shape and geometry leaves them alone.
        in_pixels: what of them lies in the image and moves with it, such as "boxes"; empty where nothing does.
    """

    one: Callable[[int], Any]
    samples: int
    whole: Tensor | None = None
    in_pixels: str = ""

    def __len__(self) -> int:
        return self.samples

    def __getitem__(self, k: Any) -> Any:
        return self.one(int(k))

    def only(self, keys: Collection[str]) -> TargetColumn:
        """The same targets with these of their keys.

        Raises:
            UsageError: targets are no dicts, or have no such keys.
        """
        first = self[0] if self.samples else {}
        has = list(first) if isinstance(first, dict) else []
        if self.samples and (missing := sorted(set(keys) - set(has))):
            raise UsageError(f"target keys {missing}: those here are {has or 'none'}")
        return replace(self, one=lambda k: {key: value for key, value in self.one(k).items() if key in keys})


def default_kind(reader: InrdReader) -> str:
    """The kind of target a file is for: by the first of its columns in this order."""
    columns = {
        LABEL_FIELD: "class",
        BOXES_FIELD: "detection",
        SEMANTIC_FIELD: "semantic",
        LABELS_FIELD: "multilabel",
        VALUES_FIELD: "regression",
        KEYPOINTS_FIELD: "keypoints",
        CAPTION_FIELD: "caption",
    }
    return next((kind for field, kind in columns.items() if field in reader.field_names), "class")


def read_targets(reader: InrdReader, kind: str | Sequence[str] | None) -> TargetColumn:
    """The targets of a file.

    Args:
        kind: a name in ``KINDS`` or of a field column; several give tuples; None is the file's own kind.

    Raises:
        UsageError: the file has no such column. InvalidFileError: a column is not what its name says.
    """
    if kind is None:
        kind = default_kind(reader)
    if not isinstance(kind, str):
        parts = [read_targets(reader, k) for k in kind]
        in_pixels = " and ".join(part.in_pixels for part in parts if part.in_pixels)
        return TargetColumn(lambda k: tuple(part[k] for part in parts), len(reader), in_pixels=in_pixels)
    if kind in KINDS:
        return KINDS[kind](reader)
    column = _column(reader, kind)
    return TargetColumn(lambda k: _as_stored(column[k]), len(reader), _numbers(column))


def _as_stored(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return value.item() if isinstance(value, np.generic) else value


def _numbers(column: Any) -> Tensor | None:
    return None if isinstance(column, VariableColumn) else torch.from_numpy(column.copy())


def _column(reader: InrdReader, name: str) -> Any:
    """A field column; a target's is held to the demands of its name.

    Raises:
        UsageError: the file has no such field. InvalidFileError: it is not what its name demands.
    """
    column = checked_column(reader, name) if name in TARGET_TYPES else reader.field(name)
    if column is None:
        known = ", ".join(reader.field_names) or "none"
        raise UsageError(f"{reader.path}: no field {name!r} for that kind of target; its fields: {known}")
    return column


def _class(reader: InrdReader) -> TargetColumn:
    labels = checked_column(reader, LABEL_FIELD)
    if labels is None:
        labels = np.full(len(reader), UNLABELLED)
    numbers: NDArray[np.int64] = labels.copy()  # one in memory: what was read is let go
    return TargetColumn(lambda k: int(numbers[k]), len(reader), torch.from_numpy(numbers))


def _multilabel(reader: InrdReader) -> TargetColumn:
    column, classes = _column(reader, LABELS_FIELD), len(reader.metadata.classes)
    whole = torch.zeros(len(reader), classes)
    counts = np.diff(column.ends, prepend=0)
    whole[np.repeat(np.arange(len(reader)), counts), column.items.copy()] = 1
    return TargetColumn(lambda k: whole[k].clone(), len(reader), whole)


def _regression(reader: InrdReader) -> TargetColumn:
    column = _column(reader, VALUES_FIELD)
    whole = torch.from_numpy(column.items.astype(np.float32)).reshape(len(reader), -1)
    return TargetColumn(lambda k: whole[k].clone(), len(reader), whole)


def _detection(reader: InrdReader) -> TargetColumn:
    boxes = _column(reader, BOXES_FIELD)
    labels = _column(reader, BOX_LABELS_FIELD)
    has = reader.field_names
    masks = _column(reader, INSTANCES_FIELD) if INSTANCES_FIELD in has else None
    crowds = _column(reader, CROWD_FIELD) if CROWD_FIELD in has else None

    def one(k: int) -> dict[str, Any]:
        size = _native(reader, k)
        xyxy = torch.from_numpy(boxes[k].astype(np.float32)).reshape(-1, 4)
        target: dict[str, Any] = {
            "boxes": tv_tensors.BoundingBoxes(xyxy, format="XYXY", canvas_size=size),
            "labels": torch.from_numpy(labels[k].copy()),
        }
        if crowds is not None:
            target["iscrowd"] = torch.from_numpy(crowds[k].copy())
        if masks is not None:
            planes = unpack_instances(masks[k], count=len(xyxy), size=size)
            target["masks"] = tv_tensors.Mask(torch.from_numpy(planes))
        return target

    return TargetColumn(one, len(reader), in_pixels="boxes" if masks is None else "boxes and masks")


def _semantic(reader: InrdReader) -> TargetColumn:
    column = _column(reader, SEMANTIC_FIELD)

    def one(k: int) -> tv_tensors.Mask:
        return tv_tensors.Mask(torch.from_numpy(unpack_semantic(column[k], size=_native(reader, k))))

    return TargetColumn(one, len(reader), in_pixels="masks")


def _keypoints(reader: InrdReader) -> TargetColumn:
    if not hasattr(tv_tensors, "KeyPoints"):
        raise UsageError("keypoints need torchvision 0.23 or later: pip install -U torchvision")
    column = _column(reader, KEYPOINTS_FIELD)

    def one(k: int) -> dict[str, Any]:
        triples = torch.from_numpy(column[k].astype(np.float32)).reshape(-1, 3)
        points = tv_tensors.KeyPoints(triples[:, :2], canvas_size=_native(reader, k))
        return {"keypoints": points, "visible": triples[:, 2].long()}

    return TargetColumn(one, len(reader), in_pixels="keypoints")


def _caption(reader: InrdReader) -> TargetColumn:
    column = _column(reader, CAPTION_FIELD)
    return TargetColumn(lambda k: column[k], len(reader))


def _native(reader: InrdReader, k: int) -> tuple[int, int]:
    return int(reader.index.heights[k]), int(reader.index.widths[k])


KINDS: dict[str, Callable[[InrdReader], TargetColumn]] = {
    "class": _class,
    "multilabel": _multilabel,
    "regression": _regression,
    "detection": _detection,
    "semantic": _semantic,
    "keypoints": _keypoints,
    "caption": _caption,
}
"""Kinds of targets: class number (int), multi-hot float vector, float vector, ``{boxes, labels[, masks, iscrowd]}``,
mask of class numbers, ``{keypoints, visible}`` and text."""


def collate(targets: Sequence[Any]) -> Any:
    """Targets of a batch: numbers and tensors of one shape become one tensor, everything ragged stays a list.

    Numbers give int64 or float32 ``(B,)``; dense masks and plain tensors ``(B, ...)`` where all have one shape; tuples
    are collated part by part. Dicts (a detection's boxes and labels), boxes, keypoints, text and bytes stay a list of
    B, also in a batch where their numbers happen to agree.
    """
    first = targets[0]
    if isinstance(first, bool | int | float | np.number):
        return torch.tensor(targets, dtype=torch.float32 if isinstance(first, float | np.floating) else torch.int64)
    if isinstance(first, tuple):
        return tuple(collate(part) for part in zip(*targets, strict=True))
    stackable = type(first) in (Tensor, tv_tensors.Mask)
    if stackable and all(t.shape == first.shape for t in targets):
        stacked = torch.stack([t.as_subclass(Tensor) for t in targets])
        return tv_tensors.Mask(stacked) if isinstance(first, tv_tensors.Mask) else stacked
    return list(targets)
