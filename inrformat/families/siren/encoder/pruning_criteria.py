"""Pruning decided by rate-distortion: an image is pruned only where its record shrinks by it at no loss of quality.

The error that quantization would add is split: half of it, in decibels, is spent on pruning, in rounds with
fine-tuning, and the pruned network is quantized as finely as it needs to match what the dense one has. The comparison
is with records that exist, at equal error: no model of rate or distortion takes part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.encoder.batches import FittedBatch, QuantizedBatch
from inrformat.families.siren.encoder.codebook import NetworkKind, SirenCodebook
from inrformat.families.siren.encoder.optimizer import Optimizer
from inrformat.families.siren.encoder.options import SirenOptions
from inrformat.families.siren.encoder.prune import LEAST_MSE, PruningMethod, measure_pruned, prune_within
from inrformat.families.siren.encoder.quantize import Quantizer
from inrformat.families.siren.encoder.rate_control import quantize_for_bytes, quantize_for_mse

__all__ = ["PruningChoice", "PruningCriteria", "RecordBytes", "criteria_for", "prune_where_better"]

RecordBytes = Callable[[QuantizedBatch, NetworkKind], NDArray[np.float64]]
"""Expected record lengths, float64 ``(B,)``, of networks written as that kind."""


@dataclass(frozen=True, slots=True)
class PruningCriteria:
    """How a pruned network is compared with the dense one.

    Attributes:
        quantize: networks quantized to match the errors given, float64 ``(B,)``.
        record_bytes: what their records cost.
        budget_bytes: that each record has; lower error is better then, and fewer bytes without one.
    """

    quantize: Callable[[FittedBatch, NDArray[np.float64]], QuantizedBatch]
    record_bytes: RecordBytes
    budget_bytes: int | None

    def better(self, pruned: QuantizedBatch, dense: QuantizedBatch) -> NDArray[np.bool_]:
        """Whether each pruned network is better than the dense one of its image: bool ``(B,)``."""
        size = self.record_bytes(pruned, NetworkKind.PRUNED)
        if self.budget_bytes is not None:
            return (pruned.mse < dense.mse) & (size <= self.budget_bytes)
        return (pruned.mse <= dense.mse) & (size < self.record_bytes(dense, NetworkKind.DENSE))


def criteria_for(
    options: SirenOptions, quantizer: Quantizer, codebook: SirenCodebook, *, record_bytes: RecordBytes
) -> PruningCriteria:
    """Criteria for what the options ask of each image; a budget in bytes is for records under ``codebook``."""
    budget_bytes, coder = options.bytes_per_image, codebook.coder(NetworkKind.PRUNED)

    def quantize(fitted: FittedBatch, target_mse: NDArray[np.float64]) -> QuantizedBatch:
        if budget_bytes is not None:
            return quantize_for_bytes(quantizer, fitted, coder, budget_bytes=budget_bytes)
        return quantize_for_mse(quantizer, fitted, target_mse)

    return PruningCriteria(quantize, record_bytes, budget_bytes)


@dataclass(frozen=True, slots=True, eq=False)
class PruningChoice:
    """The better network of each image, and which of them are pruned: bool ``(B,)``."""

    best: QuantizedBatch
    pruned: NDArray[np.bool_]


def prune_where_better(
    fine_tuning: Optimizer,
    fitted: FittedBatch,
    dense: QuantizedBatch,
    *,
    method: PruningMethod,
    criteria: PruningCriteria,
) -> PruningChoice:
    """Prune the networks of ``fitted``, quantize them, and keep what is better than ``dense``, them without pruning."""
    everyone = np.arange(len(fitted))
    limit_mse = np.sqrt(np.maximum(fitted.mse, LEAST_MSE) * dense.mse)
    pruned = prune_within(fine_tuning, fitted, method, limit_mse=limit_mse)
    best = dense.spent(pruned.fine_tuning_steps, rows=everyone)
    rows = np.flatnonzero(~pruned.mask.all(1))
    if len(rows):
        networks = measure_pruned(fine_tuning, fitted.take(rows), pruned.take(rows))
        trial = criteria.quantize(networks, dense.mse[rows])
        won = np.flatnonzero(criteria.better(trial, dense.take(rows)))
        rows = rows[won]
        best = best.with_rows(rows, trial.take(won))
    return PruningChoice(best, np.isin(everyone, rows))
