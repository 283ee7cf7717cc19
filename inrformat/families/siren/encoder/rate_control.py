"""Choosing each image's scale: for a quantization budget, a PSNR, or a number of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans import STATE_BYTES, WORD_BYTES, lanes_for
from inrformat.coding.tables import TableSet
from inrformat.encoding.record import Image
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.encoder.engine import AdamConfig, Engine, Shape, Start
from inrformat.families.siren.encoder.fit import take
from inrformat.families.siren.encoder.quantize import (
    QUANTIZATION_FLOOR_MSE,
    Quantized,
    noise_mse,
    quantize,
    quantum,
    scales_for_noise,
)

__all__ = [
    "Context",
    "cost_bytes",
    "for_bytes",
    "for_drop",
    "for_errors",
    "gain_db",
    "merge",
    "part_of",
    "scale_for_bytes",
    "target_mse",
]

_FINE_TUNING_RECOVERS = 1.5
_WORST_TO_MEAN_DROP = 2.0
_RETRIES = 6
_UINT8_MSE = 1 / (12 * 255**2)
_FINEST, _COARSEST = -48, 64


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Fitted networks about to be quantized: ``start`` holds their differences (and masks), ``mse (B,)`` their errors,
    ``energies (B, P)`` their sensitivities."""

    engine: Engine
    shape: Shape
    network: Siren
    images: Sequence[Image]
    start: Start
    mse: NDArray[np.float64]
    energies: NDArray[np.float32]
    tuning: AdamConfig

    def quantize(
        self, rows: NDArray[np.int64], scales: NDArray[np.int32], *, targets: NDArray[np.float64] | None = None
    ) -> Quantized:
        """Those images' networks under ``scales``, one for each of ``rows``; ``targets`` are those of all images."""
        start = take(self.start, rows)
        if targets is not None:
            start = replace(start, target_mse=targets[rows])
        images = [self.images[i] for i in rows.tolist()]
        return quantize(self.engine, self.shape, self.network, images, start, tuning=self.tuning, scales=scales)

    def part(self, rows: NDArray[np.int64]) -> Context:
        """The part that belongs to those images."""
        images = [self.images[i] for i in rows.tolist()]
        start = take(self.start, rows)
        return replace(self, images=images, start=start, mse=self.mse[rows], energies=self.energies[rows])

    def all_rows(self) -> NDArray[np.int64]:
        """Numbers of all images."""
        return np.arange(len(self.images))


def cost_bytes(network: Siren, symbols: NDArray[np.int32], tables: TableSet) -> NDArray[np.float64]:
    """Expected record length of each network: float64 ``(B,)``."""
    bits = np.zeros(len(symbols))
    for table in set(network.tables):
        bits += tables.tables[table].cost_bits(symbols[:, network.table_vector == table]).sum(1)
    return bits / 8 + _overhead_bytes(network)


def _overhead_bytes(network: Siren) -> float:
    """The scale, each lane's initial state and half of what its final one leaves unused; rounding up."""
    return 3 + lanes_for(network.parameter_count) * (STATE_BYTES + WORD_BYTES) / 2


def part_of(whole: Quantized, rows: NDArray[np.int64]) -> Quantized:
    """A copy of those rows."""
    return Quantized(whole.symbols[rows], whole.scales[rows], whole.mse[rows], whole.steps[rows])


def merge(into: Quantized, rows: NDArray[np.int64], part: Quantized) -> None:
    """Replace those rows; steps add up."""
    into.symbols[rows], into.scales[rows], into.mse[rows] = part.symbols, part.scales, part.mse
    into.steps[rows] += part.steps


def for_drop(context: Context, *, max_drop_db: float) -> Quantized:
    """Scales whose expected loss after fine-tuning is ``max_drop_db``; no image may lose more than twice that."""
    reference = np.maximum(context.mse, QUANTIZATION_FLOOR_MSE)
    at_zero = noise_mse(context.network, context.energies)
    allowed = reference * (10 ** (_FINE_TUNING_RECOVERS * max_drop_db / 10) - 1)
    result = context.quantize(context.all_rows(), scales_for_noise(at_zero, allowed))
    limit = reference * 10 ** (_WORST_TO_MEAN_DROP * max_drop_db / 10)
    for _ in range(_RETRIES):
        failed = np.flatnonzero(result.mse > limit)
        if not len(failed):
            break
        merge(result, failed, context.quantize(failed, result.scales[failed] - 4))
    return result


def target_mse(psnr_db: float) -> float:
    """The error at which the decoder's 8-bit image has ``psnr_db``."""
    # The last hundredth: the index stores PSNR in that unit, and rounding noise scatters a little about its mean.
    return 10 ** (-(psnr_db + 0.01) / 10) - _UINT8_MSE


def gain_db(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """PSNR of the decoder's 8-bit image that one error has more than another: float64 ``(B,)`` of such."""
    gain: NDArray[np.float64] = 10 * np.log10((before + _UINT8_MSE) / (after + _UINT8_MSE))
    return gain


def for_errors(context: Context, targets: NDArray[np.float64]) -> Quantized:
    """The coarsest scale with which each image still reaches its target, a mean squared error: float64 ``(B,)``.

    An image that cannot reach it gets a fine one.
    """
    at_zero = noise_mse(context.network, context.energies)
    headroom = np.maximum(targets - context.mse, 0.02 * np.minimum(context.mse, targets))
    scales = np.clip(scales_for_noise(at_zero, 2 * headroom), _FINEST, _COARSEST)
    result = context.quantize(context.all_rows(), scales, targets=targets)
    at_once = np.flatnonzero(result.mse <= targets)
    for _ in range(2 * _RETRIES):
        failed = np.flatnonzero((result.mse > targets) & (result.scales > _FINEST) & (context.mse <= targets))
        if not len(failed):
            break
        merge(result, failed, context.quantize(failed, result.scales[failed] - 2, targets=targets))
    _coarsen(context, result, at_once, targets, by=2)
    _coarsen(context, result, np.flatnonzero(result.mse <= targets), targets, by=1)
    return result


def _coarsen(
    context: Context, result: Quantized, rows: NDArray[np.int64], targets: NDArray[np.float64], *, by: int
) -> None:
    """Raise the scales of those images, ``by`` that much at a time, as long as they reach their targets."""
    while len(rows := rows[result.scales[rows] + by <= _COARSEST]):
        trial = context.quantize(rows, result.scales[rows] + by, targets=targets)
        reached = np.flatnonzero(trial.mse <= targets[rows])
        rows = rows[reached]
        merge(result, rows, part_of(trial, reached))


def scale_for_bytes(context: Context, *, budget_bytes: int) -> int:
    """The finest common scale at which the average record would fit, coded with tables of its own."""
    sizes = context.network.group_sizes
    budget_bits = 8 * (budget_bytes - _overhead_bytes(context.network))
    for scale in range(_FINEST, _COARSEST, 2):
        steps = quantum(context.network, np.full(len(context.images), scale, np.int32))
        groups = np.split(np.rint(context.start.differences / steps), np.cumsum(sizes)[:-1], axis=1)
        if sum(n * _entropy_bits(g) for n, g in zip(sizes, groups, strict=True)) <= budget_bits:
            return scale
    return _COARSEST


def _entropy_bits(values: NDArray[np.float32]) -> float:
    counts = np.unique(values, return_counts=True)[1] / values.size
    return float(-(counts * np.log2(counts)).sum())


def for_bytes(context: Context, *, budget_bytes: int, tables: TableSet) -> Quantized:
    """The finest scale with which each record fits ``budget_bytes``, by the cost of its symbols."""
    scales = np.full(len(context.images), _COARSEST, np.int32)
    for scale in range(_COARSEST, _FINEST - 1, -1):
        steps = quantum(context.network, np.full(len(scales), scale, np.int32))
        symbols = np.clip(np.rint(context.start.differences / steps), -32767, 32767).astype(np.int32)
        fits = cost_bytes(context.network, symbols, tables) <= budget_bytes
        # Tables learned at one scale price much finer and much coarser symbols badly: start from the expected side.
        scales = np.where(fits, scale, scales).astype(np.int32)
    result = context.quantize(context.all_rows(), scales)
    for _ in range(_RETRIES):
        failed = np.flatnonzero(
            (cost_bytes(context.network, result.symbols, tables) > budget_bytes) & (result.scales < _COARSEST)
        )
        if not len(failed):
            break
        merge(result, failed, context.quantize(failed, result.scales[failed] + 1))
    return result
