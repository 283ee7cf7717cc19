"""Whether pruning pays for a data set: tried on part of its sample before any image is encoded.

Pruned networks need tables of their own and take nearly three times as long to encode, so that they have to save enough
against networks that were fine-tuned for as long without pruning.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.encoder.batches import FittedBatch, QuantizedBatch
from inrformat.families.siren.encoder.codebook import NetworkKind, learn_codebook, own_coder
from inrformat.families.siren.encoder.options import Pruning, SirenOptions
from inrformat.families.siren.encoder.prune import PruningMethod, prune_as_asked
from inrformat.families.siren.encoder.pruning_criteria import (
    PruningChoice,
    PruningCriteria,
    criteria_for,
    prune_where_better,
)
from inrformat.families.siren.encoder.quantize import Quantizer
from inrformat.families.siren.encoder.rate_control import choose_scales

__all__ = ["pruned_examples"]

_TRIAL_IMAGES = 24
_WORTHWHILE = 0.02
_BYTES_PER_TOKEN = 0.75


def pruned_examples(
    options: SirenOptions, quantizer: Quantizer, fitted: FittedBatch, dense: QuantizedBatch
) -> QuantizedBatch | None:
    """Pruned networks of part of a sample, to learn their tables from.

    Args:
        fitted: networks of the sample. dense: the same, quantized without pruning.

    Returns:
        None where nothing is to be pruned, or where it does not pay.
    """
    if options.pruning is Pruning.NONE:
        return None
    rows = np.arange(min(_TRIAL_IMAGES, len(fitted)))
    part, unpruned = fitted.take(rows), dense.take(rows)
    codebook = learn_codebook(quantizer.network, dense, complete=False)
    method = PruningMethod.of(options, quantizer.network.group_sizes)
    if options.pruning is not Pruning.AUTO:
        pruned = prune_as_asked(options, method, quantizer.fine_tuning, part)
        return choose_scales(options, quantizer, pruned, codebook.coder(NetworkKind.PRUNED))

    def record_bytes(quantized: QuantizedBatch, _kind: NetworkKind) -> NDArray[np.float64]:
        return own_coder(quantizer.network, quantized).expected_bytes(quantized.symbols)

    criteria = criteria_for(options, quantizer, codebook, record_bytes=record_bytes)
    choice = prune_where_better(quantizer.fine_tuning, part, unpruned, method=method, criteria=criteria)
    share = len(rows) / len(fitted)
    pays = choice.pruned.any() and (
        not options.prune_trial or _saves_enough(quantizer, part, unpruned, choice, criteria=criteria, share=share)
    )
    return choice.best.take(np.flatnonzero(choice.pruned)) if pays else None


def _saves_enough(
    quantizer: Quantizer,
    fitted: FittedBatch,
    dense: QuantizedBatch,
    choice: PruningChoice,
    *,
    criteria: PruningCriteria,
    share: float,
) -> bool:
    """Whether networks pruned in fine-tuning beat networks that were only fine-tuned, for as long, by enough.

    Args:
        fitted, dense, choice: networks of the trial's images, the same quantized, and with pruning where it is better.
        share: that the trial's images are of the sample; they are charged so much of the pruned networks' tables.
    """
    longer = _fine_tuned_as_long(quantizer, fitted, dense, choice, criteria=criteria)
    if criteria.budget_bytes is not None:
        return float(np.mean(choice.best.mse / np.minimum(longer.mse, dense.mse))) <= 1 - _WORTHWHILE
    with_pruning = _bytes_with_pruning(quantizer, choice, share=share)
    return with_pruning <= (1 - _WORTHWHILE) * _bytes_without_pruning(dense, longer, criteria=criteria)


def _fine_tuned_as_long(
    quantizer: Quantizer,
    fitted: FittedBatch,
    dense: QuantizedBatch,
    choice: PruningChoice,
    *,
    criteria: PruningCriteria,
) -> QuantizedBatch:
    """Dense networks after as much fine-tuning as pruning took, quantized to the same errors."""
    spent = choice.best.fine_tuning_steps - dense.fine_tuning_steps
    fit = quantizer.fine_tuning.with_steps(int(spent.max())).fit(fitted.images, fitted.initialization())
    return criteria.quantize(replace(fitted, differences=fit.differences, mse=fit.mse), dense.mse)


def _bytes_with_pruning(quantizer: Quantizer, choice: PruningChoice, *, share: float) -> float:
    pruned = choice.best.take(np.flatnonzero(choice.pruned))
    dense = choice.best.take(np.flatnonzero(~choice.pruned))
    coder = own_coder(quantizer.network, pruned)
    total = float(coder.expected_bytes(pruned.symbols).sum())
    if len(dense.symbols):
        total += float(own_coder(quantizer.network, dense).expected_bytes(dense.symbols).sum())
    return total + share * _BYTES_PER_TOKEN * coder.token_count()


def _bytes_without_pruning(dense: QuantizedBatch, longer: QuantizedBatch, *, criteria: PruningCriteria) -> float:
    """Of each image the shorter record, where longer fine-tuning reaches the same error."""
    sizes = criteria.record_bytes(dense, NetworkKind.DENSE)
    reached = longer.mse <= dense.mse
    shorter: NDArray[np.float64] = np.minimum(sizes, criteria.record_bytes(longer, NetworkKind.DENSE))
    return float(np.where(reached, shorter, sizes).sum())
