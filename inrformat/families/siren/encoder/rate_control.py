"""Choosing each image's scale: for a quantization budget, a PSNR, or a number of bytes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.descriptor import SCALES_PER_OCTAVE, Siren
from inrformat.families.siren.encoder.batches import FittedBatch, QuantizedBatch
from inrformat.families.siren.encoder.codebook import NetworkKind, RecordCoder, learn_codebook, overhead_bytes
from inrformat.families.siren.encoder.options import SirenOptions
from inrformat.families.siren.encoder.quantization_steps import QUANTIZATION_FLOOR_MSE
from inrformat.families.siren.encoder.quantize import Quantizer, round_to_symbols

__all__ = [
    "choose_sample_scales",
    "choose_scales",
    "gain_db",
    "quantize_at_common_scale",
    "quantize_for_bytes",
    "quantize_for_drop",
    "quantize_for_mse",
    "scales_for_noise",
]

_FINE_TUNING_RECOVERS = 1.5
_WORST_TO_MEAN_DROP = 2.0
_RETRIES = 6
_UINT8_MSE = 1 / (12 * 255**2)
_FINEST, _COARSEST = -48, 64
_SCALE_LIMIT = 96
_SCALES_PER_NOISE_OCTAVE = SCALES_PER_OCTAVE // 2  # noise grows with the square of the quantization step
# 2**(1/4), 2**(2/4) and 2**(3/4) by square roots alone: those are the same on every processor, logarithms are not.
_QUARTERS_OF_AN_OCTAVE = np.array([math.sqrt(math.sqrt(2.0**k)) for k in (1, 2, 3)])


def choose_scales(
    options: SirenOptions, quantizer: Quantizer, fitted: FittedBatch, coder: RecordCoder
) -> QuantizedBatch:
    """Quantize each image for what the options ask of it; ``coder`` is what its record will be written with."""
    if options.bytes_per_image is not None:
        return quantize_for_bytes(quantizer, fitted, coder, budget_bytes=options.bytes_per_image)
    return _choose_scales_by_quality(options, quantizer, fitted)


def choose_sample_scales(options: SirenOptions, quantizer: Quantizer, fitted: FittedBatch) -> QuantizedBatch:
    """The same for the sample that tables are to be learned from."""
    if options.bytes_per_image is None:
        return _choose_scales_by_quality(options, quantizer, fitted)
    common = quantize_at_common_scale(quantizer, fitted, budget_bytes=options.bytes_per_image)
    coder = learn_codebook(quantizer.network, common, complete=False).coder(NetworkKind.DENSE)
    return quantize_for_bytes(quantizer, fitted, coder, budget_bytes=options.bytes_per_image)


def _choose_scales_by_quality(options: SirenOptions, quantizer: Quantizer, fitted: FittedBatch) -> QuantizedBatch:
    """For the PSNR that the options ask for, or else for their quantization budget."""
    if options.psnr_db is not None:
        return quantize_for_mse(quantizer, fitted, np.full(len(fitted), _target_mse(options.psnr_db)))
    return quantize_for_drop(quantizer, fitted, max_drop_db=options.max_drop_db)


def _target_mse(psnr_db: float) -> float:
    """The error at which the decoder's 8-bit image has ``psnr_db``."""
    # The last hundredth: the index stores PSNR in that unit, and rounding noise scatters a little about its mean.
    return 10 ** (-(psnr_db + 0.01) / 10) - _UINT8_MSE


def gain_db(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """PSNR of the decoder's 8-bit image that one error has more than another: float64 ``(B,)`` of such."""
    gain: NDArray[np.float64] = 10 * np.log10((before + _UINT8_MSE) / (after + _UINT8_MSE))
    return gain


def quantize_for_drop(quantizer: Quantizer, fitted: FittedBatch, *, max_drop_db: float) -> QuantizedBatch:
    """Scales whose expected loss after fine-tuning is ``max_drop_db``; no image may lose more than twice that."""
    reference = np.maximum(fitted.mse, QUANTIZATION_FLOOR_MSE)
    allowed = reference * (10 ** (_FINE_TUNING_RECOVERS * max_drop_db / 10) - 1)
    result = quantizer.quantize(fitted, scales_for_noise(_noise_mse_at_scale_0(quantizer.network, fitted), allowed))
    limit = reference * 10 ** (_WORST_TO_MEAN_DROP * max_drop_db / 10)
    for _ in range(_RETRIES):
        failed = np.flatnonzero(result.mse > limit)
        if not len(failed):
            break
        finer = quantizer.quantize(fitted.take(failed), result.scales[failed] - 4)
        result = result.with_rows(failed, finer)
    return result


def quantize_for_mse(quantizer: Quantizer, fitted: FittedBatch, target_mse: NDArray[np.float64]) -> QuantizedBatch:
    """The coarsest scale with which each image still reaches its target, float64 ``(B,)``.

    An image that cannot reach it gets a fine one.
    """
    headroom = np.maximum(target_mse - fitted.mse, 0.02 * np.minimum(fitted.mse, target_mse))
    scales = scales_for_noise(_noise_mse_at_scale_0(quantizer.network, fitted), 2 * headroom)
    result = quantizer.quantize(fitted, np.clip(scales, _FINEST, _COARSEST), target_mse=target_mse)
    at_once = np.flatnonzero(result.mse <= target_mse)
    for _ in range(2 * _RETRIES):
        failed = np.flatnonzero((result.mse > target_mse) & (result.scales > _FINEST) & (fitted.mse <= target_mse))
        if not len(failed):
            break
        finer = quantizer.quantize(fitted.take(failed), result.scales[failed] - 2, target_mse=target_mse[failed])
        result = result.with_rows(failed, finer)
    result = _coarsened(quantizer, fitted, result, at_once, target_mse=target_mse, by=2)
    reached = np.flatnonzero(result.mse <= target_mse)
    return _coarsened(quantizer, fitted, result, reached, target_mse=target_mse, by=1)


def _coarsened(
    quantizer: Quantizer,
    fitted: FittedBatch,
    result: QuantizedBatch,
    rows: NDArray[np.int64],
    *,
    target_mse: NDArray[np.float64],
    by: int,
) -> QuantizedBatch:
    """``result`` with the scales of those rows raised in steps of ``by`` while they reach their targets."""
    while len(rows := rows[result.scales[rows] + by <= _COARSEST]):
        coarser = quantizer.quantize(fitted.take(rows), result.scales[rows] + by, target_mse=target_mse[rows])
        reached = np.flatnonzero(coarser.mse <= target_mse[rows])
        rows = rows[reached]
        result = result.with_rows(rows, coarser.take(reached))
    return result


def _noise_mse_at_scale_0(network: Siren, fitted: FittedBatch) -> NDArray[np.float64]:
    """Expected increase of each image's mean squared error at scale 0: float64 ``(B,)``."""
    variances = network.step_vector.astype(np.float64) ** 2
    noise: NDArray[np.float64] = (fitted.gauss_newton_diagonal.astype(np.float64) * variances).sum(1)
    return noise / 12


def scales_for_noise(at_scale_0: NDArray[np.float64], allowed: NDArray[np.float64]) -> NDArray[np.int32]:
    """The scale at which each image's noise, ``at_scale_0`` at scale 0, is ``allowed``: int32 ``(B,)``."""
    ratio = np.maximum(allowed, 1e-12) / np.maximum(at_scale_0, 1e-12)
    mantissa, octaves = np.frexp(ratio)
    quarters = np.searchsorted(_QUARTERS_OF_AN_OCTAVE, 2 * mantissa, side="right")
    return np.clip(_SCALES_PER_NOISE_OCTAVE * (octaves - 1) + quarters, -_SCALE_LIMIT, _SCALE_LIMIT).astype(np.int32)


def quantize_at_common_scale(quantizer: Quantizer, fitted: FittedBatch, *, budget_bytes: int) -> QuantizedBatch:
    """The finest common scale at which the average record would fit, coded with tables of its own."""
    sizes = quantizer.network.group_sizes
    budget_bits = 8 * (budget_bytes - overhead_bytes(quantizer.network))
    chosen = _COARSEST
    for scale in range(_FINEST, _COARSEST, 2):
        symbols = round_to_symbols(quantizer.network, fitted.differences, scale=scale)
        groups = np.split(symbols, np.cumsum(sizes)[:-1], axis=1)
        if sum(n * _entropy_bits(g) for n, g in zip(sizes, groups, strict=True)) <= budget_bits:
            chosen = scale
            break
    return quantizer.quantize(fitted, np.full(len(fitted), chosen, np.int32))


def _entropy_bits(values: NDArray[np.int32]) -> float:
    frequencies = np.unique(values, return_counts=True)[1] / values.size
    return float(-(frequencies * np.log2(frequencies)).sum())


def quantize_for_bytes(
    quantizer: Quantizer, fitted: FittedBatch, coder: RecordCoder, *, budget_bytes: int
) -> QuantizedBatch:
    """The finest scale with which each record fits ``budget_bytes``, by the expected cost of its symbols."""
    scales = np.full(len(fitted), _COARSEST, np.int32)
    # Tables learned at one scale price much finer and much coarser symbols badly: start from the expected side.
    for scale in range(_COARSEST, _FINEST - 1, -1):
        symbols = round_to_symbols(quantizer.network, fitted.differences, scale=scale)
        fits = coder.expected_bytes(symbols) <= budget_bytes
        scales = np.where(fits, scale, scales).astype(np.int32)
    result = quantizer.quantize(fitted, scales)
    for _ in range(_RETRIES):
        too_long = coder.expected_bytes(result.symbols) > budget_bytes
        failed = np.flatnonzero(too_long & (result.scales < _COARSEST))
        if not len(failed):
            break
        coarser = quantizer.quantize(fitted.take(failed), result.scales[failed] + 1)
        result = result.with_rows(failed, coarser)
    return result
