"""Forward and backward of many networks at once in plain torch: the readable form, on any device, in any dtype."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from inrformat.families.siren.descriptor import layer_slices
from inrformat.families.siren.encoder.engine import Shape

__all__ = ["errors_and_gradients"]


def errors_and_gradients(
    shape: Shape, parameters: Tensor, xy: Tensor, colours: Tensor, weights: Tensor, *, gradient: Tensor | None
) -> Tensor:
    """Weighted squared error of each network, and its derivative by the parameters.

    Written by hand: it keeps only sines and cosines of each layer, builds no graph, and multiplies in place.

    Args:
        parameters: ``(B, P)``. xy: ``(B, inputs, N)``. colours: ``(B, channels, N)`` in [0, 1].
        weights: ``(B, 1, N)`` of each pixel in the sum. gradient: ``(B, P)``, overwritten; None: no backward pass.

    Returns:
        ``(B,)``: sum over pixels of weight times squared error, averaged over channels.
    """
    slices = layer_slices(shape.widths)
    last = len(slices) - 1
    h, matrices, inputs, slopes = xy, [], [], []
    for number, ((at, bias), (cols, rows)) in enumerate(zip(slices, pairwise(shape.widths), strict=True)):
        matrices.append(parameters[:, at].reshape(-1, rows, cols))
        inputs.append(h)
        h = torch.baddbmm(parameters[:, bias, None], matrices[-1], h)  # (B, rows, N)
        if number < last:
            phase = h.mul_(shape.omega)
            if gradient is not None:
                slopes.append(phase.cos().mul_(shape.omega))
            h = phase.sin_()
    error = h.mul_(0.5).add_(0.5).sub_(colours)
    channels = shape.widths[-1]
    result = (error * error * weights).sum((1, 2)) / channels
    if gradient is None:
        return result
    d = error.mul_(weights).mul_(1 / channels)  # 2 of the square times 1/2 of the output's slope
    for number in reversed(range(last + 1)):
        at, bias = slices[number]
        gradient[:, at] = (d @ inputs[number].mT).flatten(1)
        gradient[:, bias] = d.sum(2)
        if number:
            d = (matrices[number].mT @ d).mul_(slopes[number - 1])
    return result
