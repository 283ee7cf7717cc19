"""Reference evaluation of ``siren`` networks in plain torch (spec section 6.1)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from inrformat.families.family import SymbolDecoder
from inrformat.families.siren.descriptor import SCALES_PER_OCTAVE, Siren, layer_slices
from inrformat.families.siren.record import read_records

__all__ = ["dequantize", "evaluate", "read_weights", "render", "sample"]

_ACTIVATION_BYTES = 1 << 28


def read_weights(network: Siren, decoder: SymbolDecoder, *, height: int, width: int) -> Tensor:
    """Parameters of the decoder's records: float32 ``(B, P)``. ``decoder`` must be the torch one."""
    return dequantize(network, *read_records(network, decoder))


def dequantize(network: Siren, scales: Tensor, symbols: Tensor) -> Tensor:
    """Parameters float32 ``(B, P)``: base + symbol * step * 2**(scale / 8)."""
    factors = (scales.float() / SCALES_PER_OCTAVE).exp2()
    values = symbols.float() * (factors.new_tensor(network.step_vector) * factors[:, None])
    return values if network.base is None else values + values.new_tensor(network.base)


def evaluate(network: Siren, parameters: Tensor, xy: Tensor) -> Tensor:
    """Colours at coordinates.

    Args:
        parameters: ``(B, P)``. xy: ``(N, 2)`` or ``(B, N, 2)`` in [-1, 1], of the same dtype and device.

    Returns:
        ``(B, N, channels)``, nominally in [0, 1].
    """
    h = xy.mT if xy.ndim == 3 else xy.mT.expand(len(parameters), -1, -1)  # (B, 2, N)
    slices = layer_slices(network.widths)
    for (weights, biases), (inputs, outputs) in zip(slices, pairwise(network.widths), strict=True):
        w = parameters[:, weights].reshape(-1, outputs, inputs)
        h = parameters[:, biases, None].baddbmm(w, h)  # (B, outputs, N)
        if biases.stop != network.parameter_count:
            h = (network.omega * h).sin()
    return 0.5 + 0.5 * h.mT


def render(network: Siren, weights: Tensor, *, native: tuple[int, int], y: Tensor, x: Tensor) -> Tensor:
    """Colours at the crossings of rows ``y (R,)`` and columns ``x (S,)``, native px: ``(B, channels, R, S)``."""
    band = max(_ACTIVATION_BYTES // (4 * max(network.widths) * max(len(x), 1) * len(weights)), 1)
    return torch.cat([_render_band(network, weights, rows, x, native=native) for rows in torch.split(y, band)], dim=2)


def _render_band(network: Siren, weights: Tensor, y: Tensor, x: Tensor, *, native: tuple[int, int]) -> Tensor:
    xy = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).flatten(0, 1)  # (R * S, 2)
    return sample(network, weights, xy[None], native=native).reshape(len(weights), network.channels, len(y), len(x))


def sample(network: Siren, weights: Tensor, xy: Tensor, *, native: tuple[int, int]) -> Tensor:
    """Colours at positions ``xy (B or 1, N, 2)``, (x, y) in native pixels: ``(B, channels, N)``."""
    extent = weights.new_tensor([native[1], native[0]])
    return evaluate(network, weights, (2 * xy.to(weights) / extent - 1).expand(len(weights), -1, -1)).mT
