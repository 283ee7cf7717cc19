"""A ``siren`` at a tile of positions: all layers in registers (spec section 6.1).

Parameters of a network (42 KB in float32 for 10 layers of 28 units, padded to 32) are read a layer at a time and stay
in the first-level cache of the multiprocessor that works on the image. The first layer is computed in float32, because
rounding a coordinate moves the image; the others as ``tl.dot`` on float16 or, for exact work, float32. Sines of float16
work are the device's own: one instruction, of which a multiprocessor does 16 lanes a clock, and that is the bound.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from inrformat.decoding.triton.trigonometry import approximate_sine, sine
from inrformat.families.siren.triton.descriptors import LAYERS

__all__ = ["SampleNetwork", "evaluate", "network_of"]

_HALF_MOST = tl.constexpr(65504.0)
_PI = tl.constexpr(3.141592653589793)


class SampleNetwork(NamedTuple):
    """One sample's network.

    Attributes:
        weights, biases: pointers to its parameters, float32 ``(layers, UNITS out, UNITS in)`` and ``(layers, UNITS)``.
        layers: of this network; the file's largest one may have more. height, width: native size in pixels.
    """

    weights: Any
    biases: Any
    layers: Any
    height: Any
    width: Any


@triton.jit
def evaluate(
    x,
    y,
    network,
    C: tl.constexpr,
    C_PAD: tl.constexpr,
    UNITS: tl.constexpr,
    HALF: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Outputs of the last layer at native positions ``(P,)``: ``(P, C_PAD)``.

    HALF: multiply float16 activations, sines by the device's own; PRECISION: else, ``tl.dot``'s input_precision.
    """
    unit = tl.arange(0, UNITS)
    weights, biases = network.weights, network.biases
    scale = _phase_scale(0, network, HALF)
    x, y = scale * (2.0 * x / network.width - 1.0), scale * (2.0 * y / network.height - 1.0)
    z = x[:, None] * tl.load(weights + unit * UNITS)[None, :] + y[:, None] * tl.load(weights + unit * UNITS + 1)[None]
    z += (scale * tl.load(biases + unit))[None, :]
    for layer in range(1, network.layers):
        scale = _phase_scale(layer, network, HALF)
        # Read as (inputs, outputs): contiguous along the inputs.
        w = scale * tl.load(weights + layer * UNITS * UNITS + unit[:, None] + unit[None, :] * UNITS)
        b = scale * tl.load(biases + layer * UNITS + unit)
        z = _product(z, w, HALF, PRECISION) + b[None, :]
    channel = tl.arange(0, C_PAD)
    outputs = tl.zeros((x.shape[0], C_PAD), tl.float32)
    for c in tl.static_range(C):
        one = tl.sum(tl.where(unit[None, :] == c, z, 0.0), axis=1)
        outputs += tl.where(channel[None, :] == c, one[:, None], 0.0)
    return outputs


@triton.jit
def _phase_scale(layer, network, HALF: tl.constexpr):
    """What a layer's parameters, in half turns, are multiplied with: fast sines are of radians, the last has none."""
    scale = 1.0
    if HALF:
        scale = tl.where(layer < network.layers - 1, _PI, 1.0)
    return scale


@triton.jit
def _product(z, w, HALF: tl.constexpr, PRECISION: tl.constexpr):
    """Sines of the phases ``z`` times weights."""
    if HALF:
        w = tl.minimum(tl.maximum(w, -_HALF_MOST), _HALF_MOST).to(tl.float16)
        return tl.dot(approximate_sine(z).to(tl.float16), w)
    else:  # noqa: RET505  (a constant decides which is compiled)
        return tl.dot(sine(z), w, input_precision=PRECISION)


@triton.jit
def network_of(sample, shape, head, parameters, padded_count, most_layers, UNITS: tl.constexpr):
    """The `SampleNetwork` of a sample of that `SampleShape`; ``most_layers``: of `PaddedShape`."""
    weights = parameters + sample * padded_count
    return SampleNetwork(
        weights=weights,
        biases=weights + most_layers * UNITS * UNITS,
        layers=tl.load(head + LAYERS),
        height=shape.height,
        width=shape.width,
    )
