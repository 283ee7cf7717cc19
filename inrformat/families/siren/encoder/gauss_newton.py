"""How much each weight matters: the diagonal of the Gauss-Newton matrix, exactly.

It holds the mean squared derivative of a colour value by each weight: to second order an image's mean squared error
grows by ``sum_i diagonal_i * change_i ** 2`` when independent changes are made to the weights. Quantization steps and
pruning are decided with it.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.families.siren.descriptor import layer_slices
from inrformat.families.siren.encoder.engine import Shape

__all__ = ["gauss_newton_diagonal"]

_PROBE_SIDE = 32
_BATCH_FLOATS = 1 << 24


def gauss_newton_diagonal(shape: Shape, parameters: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over pixels and channels of ``(d colour / d parameter) ** 2``, over a grid of 32 x 32 points.

    Args:
        parameters: float32 ``(B, P)``.

    Returns:
        float32 ``(B, P)``.
    """
    centres = (2 * torch.arange(_PROBE_SIDE) + 1) / _PROBE_SIDE - 1
    xy = torch.stack(torch.meshgrid(centres, centres, indexing="xy")).flatten(1).float()
    batch = max(_BATCH_FLOATS // (2 * sum(shape.widths) * xy.shape[1]), 1)
    parts = [_diagonal(shape, part, xy).numpy() for part in torch.split(torch.from_numpy(parameters), batch)]
    return np.concatenate(parts) if parts else np.zeros_like(parameters)


def _diagonal(shape: Shape, parameters: Tensor, xy: Tensor) -> Tensor:
    h = xy.expand(len(parameters), -1, -1)  # (B, inputs, N)
    slices = layer_slices(shape.widths)
    matrices, inputs, slopes = [], [], []
    for (weights, biases), (cols, rows) in zip(slices, pairwise(shape.widths), strict=True):
        matrices.append(parameters[:, weights].reshape(-1, rows, cols))
        inputs.append(h)
        z = shape.omega * torch.baddbmm(parameters[:, biases, None], matrices[-1], h)
        h = z.sin()
        slopes.append(shape.omega * z.cos())
    diagonal = torch.zeros_like(parameters)
    channels = shape.widths[-1]
    for channel in range(channels):
        d = torch.zeros_like(slopes[-1])  # (B, outputs, N): derivative of this channel by each pre-activation
        d[:, channel] = 0.5
        for layer in reversed(range(len(slices))):
            weights, biases = slices[layer]
            squared = d * d
            diagonal[:, weights] += (squared @ (inputs[layer] ** 2).mT).flatten(1)
            diagonal[:, biases] += squared.sum(2)
            if layer:
                d = (matrices[layer].mT @ d) * slopes[layer - 1]
    return diagonal / (channels * xy.shape[1])
