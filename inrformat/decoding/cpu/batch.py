"""What kernels are given of a batch: its records and its maps, as arrays of all samples."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from inrformat.decoding.geometry import Geometry
from inrformat.decoding.records import DeviceRecords
from inrformat.jit import relaxed_inline

__all__ = ["Batch", "Maps", "Sample", "sample_of"]


class Batch(NamedTuple):
    """Records of B samples.

    Attributes:
        slots: uint32 ``(T * 1024,)``, low_bits: int32 ``(T,)``, symbol tables of the file (``TableSet``).
        words: uint16, payload of the file. first, end: int64 ``(B,)``: a record is ``words[first : end]``.
        heights, widths: int64 ``(B,)``, native px. lanes: int64 ``(B,)``, rANS lanes (spec section 7.3).
    """

    slots: NDArray[np.uint32]
    low_bits: NDArray[np.int32]
    words: NDArray[np.uint16]
    first: NDArray[np.int64]
    end: NDArray[np.int64]
    heights: NDArray[np.int64]
    widths: NDArray[np.int64]
    lanes: NDArray[np.int64]

    @classmethod
    def of(cls, records: DeviceRecords, rows: NDArray[np.int64]) -> Batch:
        """The records ``rows``, int64 ``(B,)``."""
        shapes, first = records.shapes.numpy()[rows], records.offsets.numpy()[rows] // 2
        lanes = [records.networks[n].lanes(height=h, width=w) for n, h, w in shapes.tolist()]
        return cls(
            slots=records.codebook.tables.slots.reshape(-1),
            low_bits=records.codebook.tables.low_bits,
            words=records.words.numpy().view(np.uint16),
            first=first,
            end=first + records.lengths.numpy()[rows] // 2,
            heights=np.ascontiguousarray(shapes[:, 1]),
            widths=np.ascontiguousarray(shapes[:, 2]),
            lanes=np.array(lanes, np.int64),
        )


class Sample(NamedTuple):
    """One record of a `Batch`: ``words`` are its own alone."""

    slots: NDArray[np.uint32]
    low_bits: NDArray[np.int32]
    words: NDArray[np.uint16]
    height: int
    width: int
    lanes: int


@relaxed_inline
def sample_of(batch: Batch, b: int) -> Sample:
    """Sample b of a batch; compiled."""
    words = batch.words[batch.first[b] : batch.end[b]]
    return Sample(batch.slots, batch.low_bits, words, batch.heights[b], batch.widths[b], batch.lanes[b])


class Maps(NamedTuple):
    """A ``Geometry``, maps of B samples to one output size.

    Attributes:
        height, width: of the output in pixels.
        matrices: float64 ``(B, 9)``, row by row. windows: float64 ``(B, 4)``: left, top, right, bottom.
        feather: float64 ``(B, 2)``, along x and y.
        counts: int64 ``(B, 2)``, reach: float64 ``(B, 2)``, as ``Geometry.taps`` has them; of no samples if aligned.
        displacement: float32 ``(B, height, width, 2)``, of no samples where nothing is displaced.
        padding_mode: number of the ``PaddingMode``.
    """

    height: int
    width: int
    matrices: NDArray[np.float64]
    windows: NDArray[np.float64]
    feather: NDArray[np.float64]
    counts: NDArray[np.int64]
    reach: NDArray[np.float64]
    displacement: NDArray[np.float32]
    aligned: bool
    padding_mode: int
    antialias: bool

    @classmethod
    def of(cls, geometry: Geometry) -> Maps:
        """The same maps."""
        height, width = geometry.size
        counts, reach = (np.zeros((0, 2)),) * 2 if geometry.aligned else geometry.taps()
        displacement = np.zeros((0, 0, 0, 2)) if geometry.displacement is None else geometry.displacement
        return cls(
            height=height,
            width=width,
            matrices=_array(geometry.matrices, np.float64).reshape(-1, 9),
            windows=_array(geometry.windows, np.float64),
            feather=_array(geometry.feather, np.float64),
            counts=_array(counts, np.int64),
            reach=_array(reach, np.float64),
            displacement=_array(displacement, np.float32),
            aligned=geometry.aligned,
            padding_mode=int(geometry.padding_mode),
            antialias=geometry.antialias,
        )


def _array(values: Tensor | NDArray[np.float64], dtype: Any) -> NDArray[Any]:
    array = values.numpy(force=True) if isinstance(values, Tensor) else values
    return np.ascontiguousarray(array, dtype)
