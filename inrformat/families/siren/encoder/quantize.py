"""Layer-wise quantization: a step for each group of weights, a scale for each image, then fine-tuning.

Rounding adds noise of variance ``step**2 / 12`` to a weight, and ``energy * step**2 / 12`` to the image's mean squared
error (``sensitivity.py``). For a given number of bits the sum over all weights is least when every weight contributes
the same: step proportional to ``1 / sqrt(energy)``, shared by the data set for each layer's weights and biases.
A record's scale multiplies all steps by ``2**(scale / 8)``: the image's own point on the rate-distortion curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.descriptor import SCALES_PER_OCTAVE, Siren
from inrformat.families.siren.encoder.engine import AdamConfig, Engine, Fit, Shape, Start

__all__ = [
    "QUANTIZATION_FLOOR_MSE",
    "Quantized",
    "group_steps",
    "noise_mse",
    "quantize",
    "range_steps",
    "scales_for_noise",
]

QUANTIZATION_FLOOR_MSE = 1e-5
"""Images fitted better than this (50 dB) are not quantized any finer: 8-bit colours would not show it."""

_SCALE_LIMIT = 96
_SYMBOL_LIMIT = 32767


@dataclass(frozen=True, slots=True, eq=False)
class Quantized:
    """Networks as symbols.

    Attributes:
        symbols: int32 ``(B, P)``. scales: int32 ``(B,)``. mse: float64 ``(B,)`` of the quantized networks.
        steps: int64 ``(B,)``, of fine-tuning.
    """

    symbols: NDArray[np.int32]
    scales: NDArray[np.int32]
    mse: NDArray[np.float64]
    steps: NDArray[np.int64]


def group_steps(energies: NDArray[np.float32], sizes: Sequence[int], *, noise: float) -> tuple[float, ...]:
    """Steps of each group that together add ``noise`` to the mean squared error of the average image.

    Args:
        energies: float32 ``(B, P)``, of a sample of fitted networks. sizes: of the groups.
    """
    means = np.array([g.mean() for g in np.split(energies, np.cumsum(sizes)[:-1], axis=1)], np.float64)
    # A group that no image of the sample feels (all black, say) still needs a positive step.
    means = np.maximum(means, max(means.max() * 1e-9, 1e-12))
    common = np.sqrt(12 * noise / sum(sizes))
    return tuple(float(np.float32(s)) for s in common / np.sqrt(means))


def range_steps(
    energies: NDArray[np.float32], differences: NDArray[np.float32], sizes: Sequence[int], *, noise: float
) -> tuple[float, ...]:
    """Steps in proportion to each group's range (the same levels everywhere) with the same expected ``noise``.

    The usual way, for comparison; arguments as in ``group_steps``, ``differences (B, P)``.
    """
    ends = np.cumsum(sizes)[:-1]
    ranges = np.array([max(float(np.abs(g).max()), 1e-9) for g in np.split(differences, ends, axis=1)])
    totals = np.array([g.sum(1).mean() for g in np.split(energies, ends, axis=1)], np.float64)
    common = np.sqrt(12 * noise / max(float((totals * ranges**2).sum()), 1e-12))
    return tuple(float(np.float32(s)) for s in common * ranges)


def noise_mse(network: Siren, energies: NDArray[np.float32]) -> NDArray[np.float64]:
    """Expected increase of each image's mean squared error at scale 0: float64 ``(B,)``."""
    noise: NDArray[np.float64] = (energies.astype(np.float64) * network.step_vector.astype(np.float64) ** 2).sum(1)
    return noise / 12


def scales_for_noise(at_zero: NDArray[np.float64], allowed: NDArray[np.float64]) -> NDArray[np.int32]:
    """The scale at which each image's noise, ``at_zero`` at scale 0, is ``allowed``: int32 ``(B,)``."""
    octaves = 0.5 * np.log2(np.maximum(allowed, 1e-12) / np.maximum(at_zero, 1e-12))
    return np.clip(np.floor(octaves * SCALES_PER_OCTAVE), -_SCALE_LIMIT, _SCALE_LIMIT).astype(np.int32)


def quantum(network: Siren, scales: NDArray[np.int32]) -> NDArray[np.float32]:
    """Step of each weight of each image: float32 ``(B, P)``."""
    factors = np.exp2(scales / SCALES_PER_OCTAVE).astype(np.float32)
    return network.step_vector * factors[:, None]


def quantize(
    engine: Engine, shape: Shape, network: Siren, images: Sequence[Image], start: Start, *,
    tuning: AdamConfig, scales: NDArray[np.int32],
) -> Quantized:  # fmt: skip
    """Round the differences of ``start`` under ``scales`` and fine-tune through the rounding.

    ``tuning.steps`` 0 rounds only. The result is never worse than rounding alone, measured on all pixels.
    """
    steps = quantum(network, scales)
    fit: Fit = engine.fit(shape, images, replace(start, quantum=steps), tuning)
    symbols = np.rint(fit.differences.astype(np.float64) / steps)
    return Quantized(np.clip(symbols, -_SYMBOL_LIMIT, _SYMBOL_LIMIT).astype(np.int32), scales, fit.mse, fit.steps)
