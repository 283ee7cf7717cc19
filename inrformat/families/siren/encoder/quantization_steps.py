"""A quantization step for each group of weights, shared by the data set.

Rounding adds noise of variance ``step**2 / 12`` to a weight, and ``diagonal * step**2 / 12`` to the image's mean
squared error (``gauss_newton.py``). For a given number of bits the sum over all weights is least when every weight
contributes the same: a step proportional to ``1 / sqrt(diagonal)`` for each layer's weights, and for its biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.encoder.batches import FittedBatch
from inrformat.families.siren.encoder.engine import Shape
from inrformat.families.siren.encoder.options import SirenOptions

__all__ = ["QUANTIZATION_FLOOR_MSE", "allocate_quantization_steps", "equal_levels", "equal_noise"]

QUANTIZATION_FLOOR_MSE = 1e-5
"""Images fitted better than this (50 dB) are not quantized any finer: 8-bit colours would not show it."""


def allocate_quantization_steps(
    options: SirenOptions, shape: Shape, fitted: FittedBatch, *, base: NDArray[np.float32] | None
) -> Siren:
    """A descriptor with whose steps the typical image of a sample loses about ``max_drop_db`` at scale 0.

    Args:
        fitted: the sample. base: float32 ``(P,)``, of the descriptor.
    """
    groups = 2 * (len(shape.widths) - 1)
    network = Siren(shape.widths, shape.omega, (1.0,) * groups, tuple(range(groups)), groups, base)
    typical = max(float(np.median(fitted.mse)), QUANTIZATION_FLOOR_MSE)
    noise = typical * (10 ** (options.max_drop_db / 10) - 1)
    diagonal, sizes = fitted.gauss_newton_diagonal, network.group_sizes
    if options.allocate:
        return replace(network, steps=equal_noise(diagonal, sizes, noise=noise))
    return replace(network, steps=equal_levels(diagonal, fitted.differences, sizes, noise=noise))


def equal_noise(diagonal: NDArray[np.float32], sizes: Sequence[int], *, noise: float) -> tuple[float, ...]:
    """Steps of each group that together add ``noise`` to the mean squared error of the average image.

    Args:
        diagonal: float32 ``(B, P)``, of a sample of fitted networks. sizes: of the groups.
    """
    means = np.array([group.mean() for group in _groups(diagonal, sizes)], np.float64)
    # A group that no image of the sample feels (all black, say) still needs a positive step.
    means = np.maximum(means, max(means.max() * 1e-9, 1e-12))
    common = np.sqrt(12 * noise / sum(sizes))
    return tuple(float(np.float32(s)) for s in common / np.sqrt(means))


def equal_levels(
    diagonal: NDArray[np.float32], differences: NDArray[np.float32], sizes: Sequence[int], *, noise: float
) -> tuple[float, ...]:
    """Steps in proportion to each group's range (the same levels everywhere) with the same expected ``noise``.

    The usual way, for comparison; arguments as in ``equal_noise``, ``differences (B, P)``.
    """
    ranges = np.array([max(float(np.abs(group).max()), 1e-9) for group in _groups(differences, sizes)])
    totals = np.array([group.sum(1).mean() for group in _groups(diagonal, sizes)], np.float64)
    common = np.sqrt(12 * noise / max(float((totals * ranges**2).sum()), 1e-12))
    return tuple(float(np.float32(s)) for s in common * ranges)


def _groups(values: NDArray[np.float32], sizes: Sequence[int]) -> list[NDArray[np.float32]]:
    return np.split(values, np.cumsum(sizes)[:-1], axis=1)
