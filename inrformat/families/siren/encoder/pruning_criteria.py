"""Pruning decided by rate-distortion: an image is pruned only where its record shrinks by it at no loss of quality.

The error that quantization would add is split: half of it, in decibels, is spent on pruning, in rounds with
fine-tuning, and the pruned network is quantized as finely as it needs to match what the dense one has. The comparison
is with records that exist, at equal error: no model of rate or distortion takes part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.encoder.prune import prune_within
from inrformat.families.siren.encoder.quantize import Quantized
from inrformat.families.siren.encoder.rate_control import Context, merge, part_of
from inrformat.families.siren.encoder.sensitivity import weight_energies

__all__ = ["Rules", "prune_where_better", "remeasured"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What pruned networks are measured by.

    Attributes:
        quantize: networks quantized to match the errors given, float64 ``(B,)``.
        bytes_of: expected record lengths, float64 ``(B,)``; its keyword ``pruned`` says which class's tables they take.
        budget_bytes: that each record has; lower error is better then, and fewer bytes without one.
        rounds: at most. by: "sensitivity" or "magnitude". groups: sizes of the groups that shares refer to.
    """

    quantize: Callable[[Context, NDArray[np.float64]], Quantized]
    bytes_of: Callable[..., NDArray[np.float64]]
    budget_bytes: int | None
    rounds: int
    by: str
    groups: Sequence[int]


def prune_where_better(context: Context, dense: Quantized, rules: Rules) -> tuple[Quantized, NDArray[np.bool_]]:
    """The better network of each image of ``context``, pruned or dense, and which of them are pruned: bool ``(B,)``.

    ``context`` holds the fitted networks, ``dense`` the same quantized without pruning.
    """
    best = part_of(dense, context.all_rows())
    differences, masks, steps = prune_within(
        context.engine, context.shape, context.images, context.start, context.tuning,
        limit_mse=np.sqrt(np.maximum(context.mse, 1e-6) * dense.mse), rounds=rules.rounds, by=rules.by,
        groups=rules.groups,
    )  # fmt: skip
    best.steps[:] += steps
    rows = np.flatnonzero(~masks.all(1))
    if len(rows):
        now = remeasured(context.part(rows), differences[rows], masks[rows])
        trial = rules.quantize(now, dense.mse[rows])
        size = rules.bytes_of(trial, pruned=True)
        if rules.budget_bytes is None:
            better = (trial.mse <= dense.mse[rows]) & (size < rules.bytes_of(part_of(dense, rows), pruned=False))
        else:
            better = (trial.mse < dense.mse[rows]) & (size <= rules.budget_bytes)
        won = np.flatnonzero(better)
        rows = rows[won]
        merge(best, rows, part_of(trial, won))
    return best, np.isin(context.all_rows(), rows)


def remeasured(context: Context, differences: NDArray[np.float32], mask: NDArray[np.bool_]) -> Context:
    """The same images with pruned networks, their errors and sensitivities."""
    start = replace(context.start, differences=differences, mask=mask)
    measured = context.engine.fit(context.shape, context.images, start, replace(context.tuning, steps=0))
    energies = weight_energies(context.shape, start.origin + differences) * mask
    return replace(context, start=start, mse=measured.mse, energies=energies)
