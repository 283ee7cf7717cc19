"""Annotations to field columns, image by image as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inrformat.container.fields import Field, FieldType
from inrformat.container.masks import pack_instances, pack_semantic
from inrformat.container.targets import (
    BOX_LABELS_FIELD,
    BOXES_FIELD,
    CAPTION_FIELD,
    CROWD_FIELD,
    INSTANCES_FIELD,
    KEYPOINTS_FIELD,
    LABEL_FIELD,
    NAME_FIELD,
    SEMANTIC_FIELD,
)
from inrformat.conversion.annotations import Annotation, Annotations, Instance
from inrformat.conversion.sources import ImageSource
from inrformat.errors import SourceError

__all__ = ["TargetColumns", "source_fields"]


def source_fields(source: ImageSource) -> list[Field]:
    """The columns of what a source knows of its images without annotations: class numbers, file names and others."""
    labels = [] if source.labels is None else [Field(LABEL_FIELD, FieldType.INT64, source.labels)]
    return [*labels, Field(NAME_FIELD, FieldType.UTF8, source.names), *source.fields]


class TargetColumns:
    """Collects the columns of a source's annotations; the kinds of targets it has anywhere become columns."""

    def __init__(self, annotations: Annotations) -> None:
        self._annotations = annotations
        every = annotations.by_stem.values()
        instances = [i for a in every for i in a.instances]
        self._columns: dict[str, tuple[FieldType, Callable[[Annotation, int, int], Any], list[Any]]] = {}
        if instances:
            self._add(BOXES_FIELD, FieldType.FLOAT64_LIST, _boxes)
            self._add(BOX_LABELS_FIELD, FieldType.INT64_LIST, lambda a, _h, _w: [i.label for i in a.instances])
        if any(i.crowd for i in instances):
            self._add(CROWD_FIELD, FieldType.INT64_LIST, lambda a, _h, _w: [int(i.crowd) for i in a.instances])
        if any(i.polygons or i.run_length_mask for i in instances):
            self._add(INSTANCES_FIELD, FieldType.BYTES, _instances)
        if any(i.keypoints for i in instances):
            self._add(KEYPOINTS_FIELD, FieldType.FLOAT64_LIST, _keypoints)
        if any(a.captions for a in every):
            self._add(CAPTION_FIELD, FieldType.UTF8, lambda a, _h, _w: "\n".join(a.captions))
        if any(a.mask for a in every):
            self._add(SEMANTIC_FIELD, FieldType.BYTES, _semantic)

    def _add(self, name: str, kind: FieldType, make: Callable[[Annotation, int, int], Any]) -> None:
        self._columns[name] = kind, make, []

    def add(self, name: str, *, height: int, width: int) -> None:
        """Take along the image ``name``, stored with ``height`` and ``width`` in pixels."""
        annotation = self._annotations.of(name)
        for _, make, values in self._columns.values():
            values.append(make(annotation, height, width))

    def fields(self) -> list[Field]:
        """The columns, of the images taken along so far."""
        return [Field(name, kind, values) for name, (kind, _, values) in self._columns.items()]


def _boxes(annotation: Annotation, height: int, width: int) -> NDArray[np.float64]:
    """left, top, right, bottom of every object in pixels, end to end, cut to the image."""
    shares = np.array([i.box for i in annotation.instances], np.float64).reshape(-1, 4)
    scaled: NDArray[np.float64] = (shares.clip(0, 1) * (width, height, width, height)).ravel()
    return scaled


def _keypoints(annotation: Annotation, height: int, width: int) -> NDArray[np.float64]:
    triples = np.array([p for i in annotation.instances for p in i.keypoints], np.float64).reshape(-1, 3)
    scaled: NDArray[np.float64] = (triples * (width, height, 1)).ravel()
    return scaled


def _instances(annotation: Annotation, height: int, width: int) -> bytes:
    planes = np.zeros((len(annotation.instances), height, width), np.bool_)
    for plane, instance in zip(planes, annotation.instances, strict=True):
        plane[:] = _filled(instance, height, width)
    return pack_instances(planes)


def _filled(instance: Instance, height: int, width: int) -> NDArray[np.bool_]:
    """The pixels of an object's mask, else those inside its outlines, else inside its box."""
    if instance.run_length_mask is not None:
        return instance.run_length_mask.mask(height, width)
    left, top, right, bottom = instance.box
    outlines = instance.polygons or (((left, top), (right, top), (right, bottom), (left, bottom)),)
    inside = np.zeros((height, width), np.bool_)
    for outline in outlines:
        inside |= _inside(np.array(outline) * (width, height), height, width)
    return inside


def _inside(points: NDArray[np.float64], height: int, width: int) -> NDArray[np.bool_]:
    """Pixels whose centres lie inside the polygon ``points (n, 2)`` of (x, y) in pixels, by the even-odd rule."""
    crossings = np.zeros((height, width + 1), np.int64)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        first, stop = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in sorted((y0, y1)))
        if stop > first:  # the edge crosses the centre lines of these rows
            rows = np.arange(first, stop)
            x = x0 + (rows + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
            crossings[rows, np.clip(np.ceil(x - 0.5), 0, width).astype(np.int64)] += 1
    odd: NDArray[np.bool_] = crossings.cumsum(axis=1)[:, :width] % 2 == 1
    return odd


def _semantic(annotation: Annotation, height: int, width: int) -> bytes:
    if annotation.mask is None:
        return pack_semantic(np.zeros((height, width), np.uint8))
    try:
        with Image.open(annotation.mask) as opened:
            if opened.mode not in {"L", "P", "I;16", "I"}:
                raise SourceError(f"{annotation.mask}: a mask holds one class number per pixel, this is {opened.mode}")
            mask = (
                opened if opened.size == (width, height) else opened.resize((width, height), Image.Resampling.NEAREST)
            )
            numbers = np.asarray(mask)
    except OSError as error:
        raise SourceError(f"{annotation.mask}: unreadable mask ({error})") from error
    return pack_semantic(numbers.astype(np.uint8 if numbers.max(initial=0) < 256 else np.uint16))
