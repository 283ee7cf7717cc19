"""What a sample of a Python data set holds: its image, and targets of the kinds an .inrd has.

A sample is ``(image, target)``, a dict with an image among its values, or an image alone; a target is one thing or a
dict of several. Understood are:

- class numbers, int: ``label``; several, a list of ints or a vector of 0 and 1 as long as there are classes: ``labels``
- numbers, float or a vector of them: ``values``; text: ``caption``
- ``tv_tensors``: bounding boxes (with ``labels`` in the same dict: their classes), masks ``(N, H, W)`` of objects or
  ``(H, W)`` of class numbers, keypoints
- in a dict, under keys of any other name, numbers, text, bytes and lists of numbers, as they are
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from inrformat.container.fields import FieldType
from inrformat.container.targets import CAPTION_FIELD, LABEL_FIELD, LABELS_FIELD, NAME_FIELD, TARGET_TYPES, VALUES_FIELD
from inrformat.conversion.annotations.annotation import Annotation, Instance, Keypoints
from inrformat.conversion.annotations.run_length import RunLengthMask
from inrformat.conversion.columns import annotation_columns
from inrformat.conversion.pixels.read import ImageFile
from inrformat.errors import SourceError

__all__ = ["Item", "TargetChoice", "read_item"]

TargetChoice = Literal["bytes"] | None
"""What to do with a target that is not recognised: keep it as bytes, or leave it out."""

_IMAGE_KEYS = ("image", "img", "pixel_values", "picture", "jpg", "jpeg", "png", "webp")
_ONLY = "target"
"""The key of a target that comes without one."""


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """A sample that was understood.

    Attributes:
        image: as `read_image` takes it.
        values, types: columns that say nothing of places in the image, and their types.
        annotation: what says something of them.
    """

    image: ImageFile
    values: dict[str, Any] = field(default_factory=dict)
    types: dict[str, FieldType] = field(default_factory=dict)
    annotation: Annotation = field(default_factory=Annotation)

    @property
    def all_types(self) -> dict[str, FieldType]:
        """Of all columns that it needs."""
        return self.types | {column.name: column.type for column in annotation_columns([self.annotation])}


def read_item(sample: Any, choices: Mapping[str, TargetChoice], *, place: str) -> Item:
    """Understand a sample.

    Args:
        choices: for targets by their keys; "target" stands for one without.

    Raises:
        SourceError: there is no image in it, or a target that is not recognised.
    """
    image, targets = _parts(sample, place)
    pixels = _image_of(image, place)
    reading = _Reading(place, choices)
    for key, value in targets.items():
        if value is not None and choices.get(key, "") is not None:
            reading.add(key, value)
    return replace(reading.item(), image=pixels)


def _parts(sample: Any, place: str) -> tuple[Any, dict[str, Any]]:
    if isinstance(sample, Mapping):
        for key in _IMAGE_KEYS:
            if key in sample:
                return sample[key], {str(k): v for k, v in sample.items() if k != key}
        raise SourceError(f"{place}: a dict without an image (looked for {', '.join(_IMAGE_KEYS)})")
    if isinstance(sample, tuple | list):
        if len(sample) != 2:
            raise SourceError(f"{place}: {len(sample)} parts, expected (image, target); give a dict for more")
        image, target = sample
        return image, {str(k): v for k, v in target.items()} if isinstance(target, Mapping) else {_ONLY: target}
    return sample, {}


def _image_of(image: Any, place: str) -> ImageFile:
    if isinstance(image, torch.Tensor):
        if image.ndim not in {2, 3}:
            raise SourceError(f"{place}: an image of shape {tuple(image.shape)}, expected (C, H, W)")
        array = image.detach().cpu().numpy()
        return array.transpose(1, 2, 0) if array.ndim == 3 else array
    if isinstance(image, str):
        return Path(image)
    if isinstance(image, bytes):
        return io.BytesIO(image)
    if isinstance(image, Path | Image.Image | np.ndarray) or hasattr(image, "read"):
        return image  # type: ignore[no-any-return]
    raise SourceError(
        f"{place}: a {type(image).__name__} is no image; give a Pillow image, an array, a tensor or a path"
    )


class _Reading:
    """Sorts the targets of one sample."""

    def __init__(self, place: str, choices: Mapping[str, TargetChoice]) -> None:
        self._place = place
        self._choices = choices
        self._values: dict[str, Any] = {}
        self._types: dict[str, FieldType] = {}
        self._boxes: list[list[float]] = []
        self._labels: list[int] | None = None
        self._instance_masks: list[RunLengthMask] = []
        self._mask: Any = None
        self._keypoints: Keypoints = ()

    def add(self, key: str, value: Any) -> None:
        """One target."""
        if self._choices.get(key) == "bytes":
            self._keep(key, FieldType.BYTES, _as_bytes(value))
        elif isinstance(value, tv_tensors.BoundingBoxes):
            self._add_boxes(value)
        elif isinstance(value, tv_tensors.Mask):
            self._add_masks(value)
        elif type(value).__name__ == "KeyPoints" and isinstance(value, torch.Tensor):
            self._add_keypoints(value)
        elif isinstance(value, tv_tensors.TVTensor):
            raise self._unknown(key, value)
        else:
            self._add_plain(key, value)

    def item(self) -> Item:
        """All together; the image is filled in by the caller."""
        annotation = Annotation(instances=self._instances(), keypoints=self._keypoints, mask=self._mask)
        return Item(Path(), self._values, self._types, annotation)

    def _instances(self) -> tuple[Instance, ...]:
        labels = self._labels
        if labels is None:
            if self._boxes or self._instance_masks:
                raise SourceError(f"{self._place}: boxes or masks without labels, one class number for each")
            return ()
        if not self._boxes and not self._instance_masks and labels:  # several classes of the image itself
            self._keep(LABELS_FIELD, FieldType.INT64_LIST, labels)
            return ()
        boxes = self._boxes or [_box_of(mask) for mask in self._instance_masks]
        masks: list[RunLengthMask | None] = [*self._instance_masks] or [None] * len(boxes)
        if not len(labels) == len(boxes) == len(masks):
            raise SourceError(f"{self._place}: {len(labels)} labels, {len(boxes)} boxes and {len(masks)} masks")
        return tuple(
            Instance(label, (box[0], box[1], box[2], box[3]), run_length_mask=mask)
            for label, box, mask in zip(labels, boxes, masks, strict=True)
        )

    def _add_boxes(self, boxes: Any) -> None:
        height, width = boxes.canvas_size
        corners = F.convert_bounding_box_format(boxes, new_format=tv_tensors.BoundingBoxFormat.XYXY)
        self._boxes = (corners.double() / torch.tensor([width, height, width, height])).tolist()
        self._labels = self._labels if self._labels is not None else None if self._boxes else []

    def _add_masks(self, masks: Any) -> None:
        array = masks.cpu().numpy()
        if array.ndim == 2:
            self._mask = array
        else:
            self._instance_masks = [RunLengthMask.of(mask != 0) for mask in array]

    def _add_keypoints(self, points: Any) -> None:
        height, width = points.canvas_size
        flat = points.double().reshape(-1, 2).tolist()
        self._keypoints = tuple((x / width, y / height, 2) for x, y in flat)

    def _add_plain(self, key: str, value: Any) -> None:
        """Numbers, text and lists of them."""
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        if isinstance(value, str):
            self._keep(CAPTION_FIELD if key == _ONLY else key, FieldType.UTF8, value)
        elif isinstance(value, bytes):
            self._keep(key, FieldType.BYTES, value)
        elif isinstance(value, int | float | np.number | np.bool_ | np.ndarray | list | tuple):
            self._add_numbers(key, value)
        else:
            raise self._unknown(key, value)

    def _add_numbers(self, key: str, value: Any) -> None:
        try:
            array = np.asarray(value)
        except ValueError as error:  # of unequal lengths
            raise self._unknown(key, value) from error
        if (array.dtype.kind not in "biuf" and array.size) or array.ndim > 1:
            raise self._unknown(key, value)
        whole = array.dtype.kind in "biu" or (not array.size and array.ndim == 1)
        if array.ndim == 0:
            scalar = int(array) if whole else float(array)
            if key == _ONLY:
                kept = (
                    (LABEL_FIELD, FieldType.INT64, scalar)
                    if whole
                    else (VALUES_FIELD, FieldType.FLOAT64_LIST, [scalar])
                )
                self._keep(*kept)
            else:
                self._keep(key, FieldType.INT64 if whole else FieldType.FLOAT64, scalar)
        elif whole and key in {_ONLY, LABELS_FIELD}:
            self._labels = array.tolist()
        elif key == _ONLY:
            self._keep(VALUES_FIELD, FieldType.FLOAT64_LIST, array.tolist())
        else:
            self._keep(key, FieldType.INT64_LIST if whole else FieldType.FLOAT64_LIST, array.tolist())

    def _keep(self, name: str, kind: FieldType, value: Any) -> None:
        wanted = FieldType.UTF8 if name == NAME_FIELD else TARGET_TYPES.get(name, kind)
        if wanted is not kind:
            raise SourceError(f"{self._place}: a target {name!r} is {wanted} in an .inrd, here it is {kind}; rename it")
        self._values[name], self._types[name] = value, kind

    def _unknown(self, key: str, value: Any) -> SourceError:
        shape = f" of shape {tuple(value.shape)}" if hasattr(value, "shape") else ""
        return SourceError(
            f"{self._place}: a target {key!r} that is not understood: {type(value).__name__}{shape}; leave it out with "
            f"targets={{{key!r}: None}}, or keep it as bytes with targets={{{key!r}: 'bytes'}}"
        )


def _box_of(mask: RunLengthMask) -> list[float]:
    """The box around a mask, in shares of its sides."""
    inside = mask.mask(mask.height, mask.width)
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    if not len(rows):
        return [0.0] * 4
    return [
        columns[0] / mask.width,
        rows[0] / mask.height,
        (columns[-1] + 1) / mask.width,
        (rows[-1] + 1) / mask.height,
    ]


def _as_bytes(value: Any) -> bytes:
    """Bytes as they are, arrays and tensors as .npy, everything else as JSON."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.save(file, value, allow_pickle=False)
        return file.getvalue()
    return json.dumps(value, ensure_ascii=False, default=str).encode()
