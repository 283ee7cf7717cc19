"""What flows from stage to stage for a batch of images: fitted networks, then quantized ones. Rows are taken here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.engine import Initialization

__all__ = ["FittedBatch", "QuantizedBatch"]

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedBatch:
    """Networks before quantization, one of each image.

    Attributes:
        images: the B images. origin: float32 ``(P,)``; networks are differences to it.
        differences: float32 ``(B, P)``. mask: bool ``(B, P)``, False where pruned; None where nothing is.
        mse: float64 ``(B,)``, as in ``Fit``. gauss_newton_diagonal: float32 ``(B, P)``, see ``gauss_newton.py``.
        steps: int64 ``(B,)``, that the first fit took.
        diverged: bool ``(B,)``, no fit was better than the mean colour.
    """

    images: Sequence[Image]
    origin: NDArray[np.float32]
    differences: NDArray[np.float32]
    mse: NDArray[np.float64]
    gauss_newton_diagonal: NDArray[np.float32]
    steps: NDArray[np.int64]
    diverged: NDArray[np.bool_]
    mask: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def initialization(
        self,
        *,
        quantization_steps: NDArray[np.float32] | None = None,
        target_mse: NDArray[np.float64] | None = None,
    ) -> Initialization:
        """Fine-tuning starts from these networks; arguments as in ``Initialization``."""
        return Initialization(
            origin=self.origin,
            differences=self.differences,
            mask=self.mask,
            quantization_steps=quantization_steps,
            target_mse=target_mse,
        )

    def take(self, rows: Rows) -> FittedBatch:
        """The networks of those images."""
        return FittedBatch(
            images=[self.images[i] for i in rows.tolist()],
            origin=self.origin,
            differences=self.differences[rows],
            mse=self.mse[rows],
            gauss_newton_diagonal=self.gauss_newton_diagonal[rows],
            steps=self.steps[rows],
            diverged=self.diverged[rows],
            mask=None if self.mask is None else self.mask[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuantizedBatch:
    """Networks as symbols.

    Attributes:
        symbols: int32 ``(B, P)``. scales: int32 ``(B,)``. mse: float64 ``(B,)`` of the quantized networks.
        fine_tuning_steps: int64 ``(B,)``, that were spent since the first fit.
    """

    symbols: NDArray[np.int32]
    scales: NDArray[np.int32]
    mse: NDArray[np.float64]
    fine_tuning_steps: NDArray[np.int64]

    def take(self, rows: Rows) -> QuantizedBatch:
        """A copy of those rows."""
        return QuantizedBatch(
            symbols=self.symbols[rows],
            scales=self.scales[rows],
            mse=self.mse[rows],
            fine_tuning_steps=self.fine_tuning_steps[rows],
        )

    def with_rows(self, rows: Rows, other: QuantizedBatch) -> QuantizedBatch:
        """A copy whose ``rows`` are those of ``other``; steps add up."""
        symbols, scales, mse = self.symbols.copy(), self.scales.copy(), self.mse.copy()
        symbols[rows], scales[rows], mse[rows] = other.symbols, other.scales, other.mse
        return QuantizedBatch(symbols=symbols, scales=scales, mse=mse, fine_tuning_steps=self.fine_tuning_steps).spent(
            other.fine_tuning_steps, rows=rows
        )

    def spent(self, steps: NDArray[np.int64], *, rows: Rows) -> QuantizedBatch:
        """The same networks, with so many more steps ``(len(rows),)`` spent on ``rows``."""
        total = self.fine_tuning_steps.copy()
        total[rows] += steps
        return QuantizedBatch(symbols=self.symbols, scales=self.scales, mse=self.mse, fine_tuning_steps=total)
