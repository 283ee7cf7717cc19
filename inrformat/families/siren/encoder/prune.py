"""Pruning in rounds: the least useful weights go, the others are fine-tuned, until the ratio or the budget is used up.

A pruned weight is a difference of zero to the base (without a base: a weight of zero). Its symbol is 0, which the
tables of the pruned networks' descriptor make cheap: the mask needs no bytes of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.engine import AdamConfig, Engine, Fit, Shape, Start
from inrformat.families.siren.encoder.fit import take
from inrformat.families.siren.encoder.sensitivity import weight_energies

__all__ = ["keep_mask", "prune", "prune_within", "saliency"]

_LARGEST_SHARE = 0.95


def saliency(
    shape: Shape, origin: NDArray[np.float32], differences: NDArray[np.float32], *, by: str
) -> NDArray[np.float32]:
    """What pruning each weight alone would cost: float32 ``(B, P)``.

    ``by`` "sensitivity": mean squared error to second order, energy times squared difference (Optimal Brain Damage,
    LeCun et al. 1989, with Gauss-Newton energies); "magnitude": the squared difference.
    """
    squared = differences * differences
    return squared if by == "magnitude" else squared * weight_energies(shape, origin + differences)


def keep_mask(scores: NDArray[np.float32], share: float, groups: Sequence[int]) -> NDArray[np.bool_]:
    """False for the ``share`` of weights with the lowest scores in each of ``groups`` (sizes): bool ``(B, P)``."""
    parts = []
    for part in np.split(scores, np.cumsum(groups)[:-1], axis=1):
        pruned = round(share * part.shape[1])
        ranks = part.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        parts.append(ranks >= pruned)
    return np.concatenate(parts, axis=1)


def prune(
    engine: Engine, shape: Shape, images: Sequence[Image], start: Start, tuning: AdamConfig, *,
    share: float, rounds: int, by: str, groups: Sequence[int],
) -> tuple[Fit, NDArray[np.bool_]]:  # fmt: skip
    """Prune ``share`` of every network in ``rounds`` with fine-tuning after each; returns the fit and its mask.

    The share rises fast at first and slowly at the end (Zhu and Gupta 2017, arXiv 1710.01878, equation 1).
    """
    mask = np.ones(start.differences.shape, bool)
    for number in range(1, rounds + 1):
        now = share * (1 - (1 - number / rounds) ** 3)
        scores = saliency(shape, start.origin, start.differences, by=by)
        mask = keep_mask(np.where(mask, scores, -1.0).astype(np.float32), now, groups)
        start = replace(start, mask=mask, differences=start.differences * mask)
        fit = engine.fit(shape, images, start, tuning)
        start = replace(start, differences=fit.differences)
    return fit, mask


def prune_within(
    engine: Engine, shape: Shape, images: Sequence[Image], start: Start, tuning: AdamConfig, *,
    limit_mse: NDArray[np.float64], rounds: int, by: str, groups: Sequence[int],
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:  # fmt: skip
    """Prune every network as far as its own ``limit_mse (B,)`` allows.

    Each round prunes one ``rounds``-th of the weights more; a network that cannot recover in its fine-tuning keeps
    the state of the round before and leaves.

    Returns:
        differences float32 ``(B, P)``, masks bool ``(B, P)`` and steps of fine-tuning int64 ``(B,)``.
    """
    differences, masks = start.differences.copy(), np.ones(start.differences.shape, bool)
    steps = np.zeros(len(images), np.int64)
    active = np.arange(len(images))
    for number in range(1, rounds + 1):
        share = _LARGEST_SHARE * number / rounds
        now = differences[active]
        scores = np.where(masks[active], saliency(shape, start.origin, now, by=by), -1.0).astype(np.float32)
        mask = keep_mask(scores, share, groups)
        trial = replace(take(start, active), differences=now * mask, mask=mask)
        fit = engine.fit(shape, [images[i] for i in active.tolist()], trial, tuning)
        steps[active] += fit.steps
        within = fit.mse <= limit_mse[active]
        active = active[within]
        differences[active], masks[active] = fit.differences[within], mask[within]
        if not len(active):
            break
    return differences, masks, steps
