"""What a file holds, in numbers: bits per pixel, PSNR, sizes, classes, targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.container.fields import VariableColumn
from inrformat.container.reader import InrdReader
from inrformat.container.targets import (
    BOX_LABELS_FIELD,
    BOXES_FIELD,
    KEYPOINTS_FIELD,
    LABEL_FIELD,
    LABELS_FIELD,
    NAME_FIELD,
    checked_column,
)

__all__ = ["Histogram", "Statistics", "class_counts", "statistics_of", "target_counts"]

_BINS = 16
_NUMBERS_EACH = {BOXES_FIELD: 4, KEYPOINTS_FIELD: 3}
"""Numbers that make one thing, in columns where that is not one."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """How often values lie between edges: ``edges`` float64 ``(n + 1,)``, ``counts`` int64 ``(n,)``."""

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    mean: float
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: NDArray[Any]) -> Histogram:
        """Of at least one value, in 16 equal bins from the least to the most."""
        counts, edges = np.histogram(values, bins=_BINS)
        return cls(edges, counts, *map(float, (values.mean(), np.median(values), values.min(), values.max())))

    def to_map(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "mean": round(self.mean, 4),
            "median": round(self.median, 4),
            "least": round(self.least, 4),
            "most": round(self.most, 4),
            "edges": [round(float(edge), 4) for edge in self.edges],
            "counts": self.counts.tolist(),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Statistics:
    """Of one file.

    Attributes:
        samples: images. bytes: of the file. rate_bpp: of each record, padding counted. psnr_db: of each, where stored.
        short_sides: in pixels. class_counts: images of each class, or objects where there are boxes.
        targets: of each column of targets, how many images have something in it, and how many things there are.
        channel_mean, channel_std: of the source, in [0, 1].
    """

    samples: int
    bytes: int
    rate_bpp: Histogram | None
    psnr_db: Histogram | None
    short_sides: Histogram | None
    class_counts: Mapping[str, int]
    targets: Mapping[str, tuple[int, int]]
    channel_mean: tuple[float, ...]
    channel_std: tuple[float, ...]

    def to_map(self) -> dict[str, Any]:
        """Plain types."""
        histograms = {"rate_bpp": self.rate_bpp, "psnr_db": self.psnr_db, "short_sides": self.short_sides}
        return {
            "samples": self.samples,
            "bytes": self.bytes,
            **{name: None if found is None else found.to_map() for name, found in histograms.items()},
            "class_counts": dict(self.class_counts),
            "targets": {name: {"images": images, "items": items} for name, (images, items) in self.targets.items()},
            "channel_mean": list(self.channel_mean),
            "channel_std": list(self.channel_std),
        }


def statistics_of(reader: InrdReader) -> Statistics:
    """From index and columns alone: no record is read."""
    index = reader.index
    some = len(reader) > 0
    pixels = index.heights * index.widths
    alignment = reader.header.record_alignment
    record_bytes = -(-index.lengths_bytes // alignment) * alignment
    psnr_db = index.psnr_db
    return Statistics(
        samples=len(reader),
        bytes=reader.header.file_bytes,
        rate_bpp=Histogram.of(8 * record_bytes / pixels) if some else None,
        psnr_db=Histogram.of(psnr_db) if some and psnr_db is not None else None,
        short_sides=Histogram.of(np.minimum(index.heights, index.widths)) if some else None,
        class_counts=class_counts(reader),
        targets=target_counts(reader),
        channel_mean=reader.metadata.channel_mean,
        channel_std=reader.metadata.channel_std,
    )


def class_counts(reader: InrdReader) -> dict[str, int]:
    """Images of each class, or objects where only these have classes."""
    for name in (LABEL_FIELD, LABELS_FIELD, BOX_LABELS_FIELD):
        column = checked_column(reader, name)
        if column is not None:
            numbers = column.items if isinstance(column, VariableColumn) else column
            counts = np.bincount(np.asarray(numbers, np.int64), minlength=len(reader.metadata.classes))
            return dict(zip(reader.metadata.classes, counts.tolist(), strict=False))
    return {}


def target_counts(reader: InrdReader) -> dict[str, tuple[int, int]]:
    """Of each column but the names: images that have something in it, and how many things there are in all."""
    found = {}
    for spec in reader.metadata.fields:
        if spec.name == NAME_FIELD:
            continue
        column = reader.field(spec.name)
        if isinstance(column, VariableColumn):
            lengths = np.diff(column.ends, prepend=0)
            images = int((lengths > 0).sum())
            numbers = int(column.ends[-1]) if len(lengths) and spec.type.endswith("[]") else images
            found[spec.name] = (images, numbers // _NUMBERS_EACH.get(spec.name, 1))
        else:
            found[spec.name] = (len(reader), len(reader))
    return found
