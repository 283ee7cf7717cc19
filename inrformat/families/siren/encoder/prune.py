"""Pruning in rounds: the least useful weights go, the others are fine-tuned, until the ratio or the budget is used up.

A pruned weight is a difference of zero to the base (without a base: a weight of zero). Its symbol is 0, which the
tables of the pruned networks' descriptor make cheap: the mask needs no bytes of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.encoder.batches import FittedBatch
from inrformat.families.siren.encoder.engine import Shape
from inrformat.families.siren.encoder.gauss_newton import gauss_newton_diagonal
from inrformat.families.siren.encoder.optimizer import Optimizer
from inrformat.families.siren.encoder.options import Pruning, SirenOptions

__all__ = [
    "LEAST_MSE",
    "PrunedNetworks",
    "PruningMethod",
    "keep_mask",
    "measure_pruned",
    "prune_as_asked",
    "prune_to_ratio",
    "prune_within",
    "saliency",
]

_LARGEST_RATIO = 0.95
_ROUNDS_WITHIN_BUDGET = 4
LEAST_MSE = 1e-6
"""Errors below this (60 dB) are taken for it where a pruning budget is a multiple of the error."""


@dataclass(frozen=True, slots=True)
class PruningMethod:
    """Which weights go, and in how many rounds.

    Attributes:
        by: "sensitivity" or "magnitude". groups: sizes of the groups of weights that ratios refer to. rounds: at most.
    """

    by: str
    groups: tuple[int, ...]
    rounds: int

    @classmethod
    def of(cls, options: SirenOptions, group_sizes: tuple[int, ...]) -> PruningMethod:
        """As asked; towards a budget there are more rounds than towards a ratio."""
        groups = group_sizes if options.prune_scope == "layer" else (sum(group_sizes),)
        rounds = options.prune_rounds * (1 if options.pruning is Pruning.RATIO else _ROUNDS_WITHIN_BUDGET)
        return cls(options.prune_by, groups, rounds)

    def keep_mask(
        self, shape: Shape, origin: NDArray[np.float32], networks: PrunedNetworks, *, ratio: float
    ) -> NDArray[np.bool_]:
        """False for ``ratio`` of the weights, those already pruned among them: bool ``(B, P)``."""
        scores = saliency(shape, origin, networks.differences, by=self.by)
        return keep_mask(np.where(networks.mask, scores, -1.0).astype(np.float32), ratio, self.groups)


class PrunedNetworks(NamedTuple):
    """What pruning leaves of a batch.

    Attributes:
        differences: float32 ``(B, P)``, to the origin. mask: bool ``(B, P)``, False where pruned.
        fine_tuning_steps: int64 ``(B,)``, that it took.
    """

    differences: NDArray[np.float32]
    mask: NDArray[np.bool_]
    fine_tuning_steps: NDArray[np.int64]

    def take(self, rows: NDArray[np.int64]) -> PrunedNetworks:
        """A copy of those rows."""
        return PrunedNetworks(self.differences[rows], self.mask[rows], self.fine_tuning_steps[rows])


def prune_as_asked(
    options: SirenOptions, method: PruningMethod, fine_tuning: Optimizer, fitted: FittedBatch
) -> FittedBatch:
    """Prune every network to the ratio, or as far as the budget allows, that ``options`` ask for."""
    if options.pruning is Pruning.DYNAMIC:
        limit_mse = np.maximum(fitted.mse, LEAST_MSE) * 10 ** (options.prune_drop_db / 10)
        pruned = prune_within(fine_tuning, fitted, method, limit_mse=limit_mse)
    else:
        pruned = prune_to_ratio(fine_tuning, fitted, method, ratio=options.prune_ratio)
    return measure_pruned(fine_tuning, fitted, pruned)


def prune_to_ratio(
    fine_tuning: Optimizer, fitted: FittedBatch, method: PruningMethod, *, ratio: float
) -> PrunedNetworks:
    """Prune that share of every network's weights, with fine-tuning after each round.

    The share rises fast at first and slowly at the end (Zhu and Gupta 2017, arXiv 1710.01878, equation 1).
    """
    networks = _unpruned(fitted)
    for number in range(1, method.rounds + 1):
        now = ratio * (1 - (1 - number / method.rounds) ** 3)
        mask = method.keep_mask(fine_tuning.shape, fitted.origin, networks, ratio=now)
        start = replace(fitted, differences=networks.differences * mask, mask=mask)
        fit = fine_tuning.fit(fitted.images, start.initialization())
        networks = PrunedNetworks(fit.differences, mask, networks.fine_tuning_steps + fit.steps)
    return networks


def prune_within(
    fine_tuning: Optimizer, fitted: FittedBatch, method: PruningMethod, *, limit_mse: NDArray[np.float64]
) -> PrunedNetworks:
    """Prune every network as far as its own ``limit_mse (B,)`` allows.

    Each round prunes one ``rounds``-th of the weights more; a network that cannot recover in its fine-tuning keeps
    the state of the round before and leaves.
    """
    networks = _unpruned(fitted)
    active = np.arange(len(fitted))
    for number in range(1, method.rounds + 1):
        now = networks.take(active)
        ratio = _LARGEST_RATIO * number / method.rounds
        mask = method.keep_mask(fine_tuning.shape, fitted.origin, now, ratio=ratio)
        start = replace(fitted.take(active), differences=now.differences * mask, mask=mask)
        fit = fine_tuning.fit(start.images, start.initialization())
        networks.fine_tuning_steps[active] += fit.steps
        within = fit.mse <= limit_mse[active]
        active = active[within]
        networks.differences[active], networks.mask[active] = fit.differences[within], mask[within]
        if not len(active):
            break
    return networks


def _unpruned(fitted: FittedBatch) -> PrunedNetworks:
    """A copy to work on."""
    return PrunedNetworks(
        fitted.differences.copy(), np.ones(fitted.differences.shape, bool), np.zeros(len(fitted), np.int64)
    )


def measure_pruned(fine_tuning: Optimizer, fitted: FittedBatch, pruned: PrunedNetworks) -> FittedBatch:
    """``fitted`` with its networks pruned, their errors and how much each weight matters now."""
    diagonal = gauss_newton_diagonal(fine_tuning.shape, fitted.origin + pruned.differences) * pruned.mask
    networks = replace(fitted, differences=pruned.differences, mask=pruned.mask, gauss_newton_diagonal=diagonal)
    return replace(networks, mse=fine_tuning.measure(networks.images, networks.initialization()))


def saliency(
    shape: Shape, origin: NDArray[np.float32], differences: NDArray[np.float32], *, by: str
) -> NDArray[np.float32]:
    """What pruning each weight alone would cost: float32 ``(B, P)``.

    ``by`` "sensitivity": mean squared error to second order, the Gauss-Newton diagonal times the squared difference
    (Optimal Brain Damage, LeCun et al. 1989); "magnitude": the squared difference.
    """
    squared = differences * differences
    return squared if by == "magnitude" else squared * gauss_newton_diagonal(shape, origin + differences)


def keep_mask(scores: NDArray[np.float32], ratio: float, groups: Sequence[int]) -> NDArray[np.bool_]:
    """False for the ``ratio`` of weights with the lowest scores in each of ``groups`` (sizes): bool ``(B, P)``."""
    parts = []
    for part in np.split(scores, np.cumsum(groups)[:-1], axis=1):
        pruned = round(ratio * part.shape[1])
        ranks = part.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
        parts.append(ranks >= pruned)
    return np.concatenate(parts, axis=1)
