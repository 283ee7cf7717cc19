"""Choosing each image's scale: for a quantization budget, a PSNR, or a number of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans import STATE_BYTES, WORD_BYTES, lanes_for
from inrformat.coding.tables import TableSet
from inrformat.encode.record import Image
from inrformat.encode.siren.engine import Engine, Shape, Start, Tuning
from inrformat.encode.siren.fitting import take
from inrformat.encode.siren.quantize import (
    QUANTIZATION_FLOOR_MSE,
    Quantized,
    noise_mse,
    quantize,
    quantum,
    scales_for_noise,
)
from inrformat.networks.siren import Siren

__all__ = ["Context", "cost_bytes", "for_bytes", "for_drop", "for_psnr", "scale_for_bytes"]

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
    tuning: Tuning

    def quantize(
        self, rows: NDArray[np.int64], scales: NDArray[np.int32], *, target_mse: float | None = None
    ) -> Quantized:
        """Those images' networks under ``scales``, one for each of ``rows``."""
        start = take(self.start, rows)
        if target_mse is not None:
            start = replace(start, target_mse=np.full(len(rows), target_mse))
        images = [self.images[i] for i in rows.tolist()]
        return quantize(self.engine, self.shape, self.network, images, start, tuning=self.tuning, scales=scales)

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


def _merge(into: Quantized, rows: NDArray[np.int64], part: Quantized) -> None:
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
        _merge(result, failed, context.quantize(failed, result.scales[failed] - 4))
    return result


def for_psnr(context: Context, *, psnr_db: float) -> Quantized:
    """The coarsest scale with which each image still reaches ``psnr_db``; an image that cannot gets a fine one."""
    target = 10 ** (-psnr_db / 10) - _UINT8_MSE
    at_zero = noise_mse(context.network, context.energies)
    headroom = np.maximum(target - context.mse, 0.02 * np.minimum(context.mse, target))
    scales = np.clip(scales_for_noise(at_zero, 2 * headroom), _FINEST, _COARSEST)
    result = context.quantize(context.all_rows(), scales, target_mse=target)
    for _ in range(2 * _RETRIES):
        failed = np.flatnonzero((result.mse > target) & (result.scales > _FINEST) & (context.mse <= target))
        if not len(failed):
            break
        _merge(result, failed, context.quantize(failed, result.scales[failed] - 2, target_mse=target))
    return result


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
        _merge(result, failed, context.quantize(failed, result.scales[failed] + 1))
    return result
