"""Pruning decided by rate-distortion: an image is pruned only as far as its record shrinks at no loss of quality.

Each round prunes a little more of every network still in the running, fine-tunes it, and quantizes it as finely as it
needs to match what the image already has. What shrinks no further keeps its best state and leaves. The comparison is
with records that exist, at equal error: no model of rate or distortion takes part in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrformat.encode.siren.engine import Start
from inrformat.encode.siren.fitting import take
from inrformat.encode.siren.prune import keep_mask, saliency
from inrformat.encode.siren.quantize import Quantized
from inrformat.encode.siren.sensitivity import weight_energies
from inrformat.encode.siren.targets import Context, merge, part_of

__all__ = ["Rules", "prune_while_better"]

_SHARE_PER_ROUND = 0.15


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


def prune_while_better(context: Context, dense: Quantized, rules: Rules) -> tuple[Quantized, NDArray[np.bool_]]:
    """The best networks found for each image of ``context``, and which of them are pruned: bool ``(B,)``.

    ``context`` holds the fitted networks, ``dense`` the same quantized without pruning.
    """
    best, pruned = part_of(dense, context.all_rows()), np.zeros(len(context.images), bool)
    best_bytes = rules.bytes_of(dense, pruned=False)
    active, start = context.all_rows(), context.start
    for number in range(1, rules.rounds + 1):
        now = _pruned_further(context, active, start, _SHARE_PER_ROUND * number, rules)
        best.steps[active] += context.tuning.steps
        hopeful = np.flatnonzero(now.mse < best.mse[active])
        if not len(hopeful):
            break
        active, now = active[hopeful], now.part(hopeful)
        trial = rules.quantize(now, best.mse[active])
        trial_bytes = rules.bytes_of(trial, pruned=True)
        if rules.budget_bytes is None:
            better = (trial.mse <= best.mse[active]) & (trial_bytes < best_bytes[active])
        else:
            better = (trial.mse < best.mse[active]) & (trial_bytes <= rules.budget_bytes)
        won = np.flatnonzero(better)
        merge(best, active[won], part_of(trial, won))
        active, start = active[won], take(now.start, won)
        pruned[active], best_bytes[active] = True, trial_bytes[won]
        if not len(active):
            break
    return best, pruned


def _pruned_further(context: Context, rows: NDArray[np.int64], start: Start, share: float, rules: Rules) -> Context:
    """Those images with ``share`` of their weights pruned, fine-tuned and measured."""
    scores = saliency(context.shape, start.origin, start.differences, by=rules.by)
    kept = True if start.mask is None else start.mask
    mask = keep_mask(np.where(kept, scores, -1.0).astype(np.float32), share, rules.groups)
    images = [context.images[i] for i in rows.tolist()]
    start = replace(start, differences=start.differences * mask, mask=mask)
    fit = context.engine.fit(context.shape, images, start, context.tuning)
    energies = weight_energies(context.shape, start.origin + fit.differences) * mask
    start = replace(start, differences=fit.differences)
    return replace(context, images=images, start=start, mse=fit.mse, energies=energies)
