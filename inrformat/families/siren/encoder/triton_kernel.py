"""Forward and backward of a SIREN as one Triton kernel (needs CUDA and Triton; ``gradient.py`` is its reference).

A program takes one image and every ``splits``-th tile of its pixels. It walks a tile through all layers and back: the
activations entering a layer stay in registers, the sines and slopes that the backward pass needs go to a scratch of
the program's own (a few hundred KB in all programs of a multiprocessor, which stays in the second-level cache), weights
are read per layer and stay cached, and weight gradients are summed in the program's own slice of the result. Nothing is
atomic, so results repeat bit for bit. Products run in TF32 with float32 sums, or in IEEE float32 for tests.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from inrformat.decoding.triton.trigonometry import sine_and_cosine
from inrformat.families.siren.descriptor import layer_slices
from inrformat.families.siren.encoder.engine import Shape

__all__ = ["errors_and_gradients", "errors_and_gradients_kernel", "supports", "tiling"]

_SPLITS = 4
_LARGEST_PAD = 64
_NARROW = 32
_INVERSE_PI = tl.constexpr(0.3183098861837907)


def supports(shape: Shape) -> bool:
    """Whether the kernel handles that shape: equal hidden widths of at most 64 units."""
    hidden = set(shape.widths[1:-1])
    return len(hidden) == 1 and max(shape.widths) <= _LARGEST_PAD


def tiling(pad: int) -> tuple[int, int]:
    """Pixels of a tile and warps of a program for networks padded to that width.

    The largest with which nothing spills on compute capabilities 8.0 and 9.0: at 64 units a tile of 64 pixels keeps
    more than a thread's 255 registers alive.
    """
    return (32, 8) if pad > _NARROW else (64, 4)


@triton.jit
def _pass(x, w, bias, precision: tl.constexpr):
    """(T, in) x (out, in)^T + bias (out,)."""
    return tl.dot(x, tl.trans(w), input_precision=precision) + bias[None, :]


@triton.jit
def errors_and_gradients_kernel(
    weight_ptr,
    bias_ptr,
    xy_ptr,
    colour_ptr,
    pixel_weight_ptr,
    weight_gradient_ptr,
    bias_gradient_ptr,
    sse_ptr,
    scratch_ptr,
    pixels,
    omega,
    channels_inverse,
    LAYERS: tl.constexpr,
    INPUTS: tl.constexpr,
    CHANNELS: tl.constexpr,
    PAD: tl.constexpr,
    TILE: tl.constexpr,
    SPLITS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """Weights ``(B, LAYERS, PAD, PAD)`` and biases ``(B, LAYERS, PAD)``, zero-padded; gradients per (image, split)."""
    image, split = tl.program_id(0).to(tl.int64), tl.program_id(1)
    program = image * SPLITS + split
    unit, pixel = tl.arange(0, PAD), tl.arange(0, TILE)
    square = unit[:, None] * PAD + unit[None, :]
    block = pixel[:, None] * PAD + unit[None, :]
    weight_ptr += image * LAYERS * PAD * PAD
    bias_ptr += image * LAYERS * PAD
    weight_gradient_ptr += program * LAYERS * PAD * PAD
    bias_gradient_ptr += program * LAYERS * PAD
    scratch_ptr += program * 2 * LAYERS * TILE * PAD
    sse = tl.zeros((TILE,), tl.float32)
    for first in range(split * TILE, pixels, SPLITS * TILE):
        at = first + pixel
        inside = at < pixels
        h = tl.load(
            xy_ptr + image * INPUTS * pixels + unit[None, :] * pixels + at[:, None],
            mask=inside[:, None] & (unit[None, :] < INPUTS),
            other=0.0,
        )
        for layer in range(LAYERS - 1):
            tl.store(scratch_ptr + 2 * layer * TILE * PAD + block, h)
            w = tl.load(weight_ptr + layer * PAD * PAD + square)
            z = _pass(h, w, tl.load(bias_ptr + layer * PAD + unit), PRECISION)
            h, cosine = sine_and_cosine(z * (omega * _INVERSE_PI))
            tl.store(scratch_ptr + (2 * layer + 1) * TILE * PAD + block, omega * cosine)
        w = tl.load(weight_ptr + (LAYERS - 1) * PAD * PAD + square)
        out = _pass(h, w, tl.load(bias_ptr + (LAYERS - 1) * PAD + unit), PRECISION)
        truth = tl.load(
            colour_ptr + image * CHANNELS * pixels + unit[None, :] * pixels + at[:, None],
            mask=inside[:, None] & (unit[None, :] < CHANNELS),
            other=0.5,
        )
        pixel_weight = tl.load(pixel_weight_ptr + image * pixels + at, mask=inside, other=0.0)
        # Padded outputs are 0, their colour 0.5: no error.
        error = 0.5 + 0.5 * out - truth
        weighted = error * pixel_weight[:, None] * channels_inverse
        sse += tl.sum(error * weighted, axis=1)
        d = weighted
        tl.debug_barrier()  # what one warp stored in the scratch, another may read
        for back in range(LAYERS):
            layer = LAYERS - 1 - back
            here = weight_gradient_ptr + layer * PAD * PAD + square
            tl.store(here, tl.load(here) + tl.dot(tl.trans(d), h, input_precision=PRECISION))
            sums = bias_gradient_ptr + layer * PAD + unit
            tl.store(sums, tl.load(sums) + tl.sum(d, axis=0))
            if layer > 0:
                w = tl.load(weight_ptr + layer * PAD * PAD + square)
                slope = tl.load(scratch_ptr + (2 * layer - 1) * TILE * PAD + block)
                d = tl.dot(d, w, input_precision=PRECISION) * slope
                h = tl.load(scratch_ptr + 2 * (layer - 1) * TILE * PAD + block)
        tl.debug_barrier()
    tl.store(sse_ptr + program, tl.sum(sse, axis=0))


def errors_and_gradients(
    shape: Shape,
    parameters: Tensor,
    xy: Tensor,
    colours: Tensor,
    weights: Tensor,
    *,
    gradient: Tensor,
    precision: str = "tf32",
) -> Tensor:
    """The same as ``gradient.errors_and_gradients``; ``precision`` is "tf32" or "ieee"."""
    batch, layers = len(parameters), len(shape.widths) - 1
    pad = max(triton.next_power_of_2(max(shape.widths)), 16)
    matrices = parameters.new_zeros((batch, layers, pad, pad))
    biases = parameters.new_zeros((batch, layers, pad))
    slices = layer_slices(shape.widths)
    for number, ((at, bias), (cols, rows)) in enumerate(zip(slices, pairwise(shape.widths), strict=True)):
        matrices[:, number, :rows, :cols] = parameters[:, at].reshape(-1, rows, cols)
        biases[:, number, :rows] = parameters[:, bias]
    pixels = xy.shape[2]
    tile, warps = tiling(pad)
    splits = min(_SPLITS, -(-pixels // tile))
    matrix_gradients = parameters.new_zeros((batch, splits, layers, pad, pad))
    bias_gradients = parameters.new_zeros((batch, splits, layers, pad))
    sse = parameters.new_zeros((batch, splits))
    scratch = parameters.new_empty((batch, splits, 2, layers, tile, pad))
    kernel: Any = errors_and_gradients_kernel
    kernel[(batch, splits)](
        weight_ptr=matrices,
        bias_ptr=biases,
        xy_ptr=xy.contiguous(),
        colour_ptr=colours.contiguous(),
        pixel_weight_ptr=weights.contiguous(),
        weight_gradient_ptr=matrix_gradients,
        bias_gradient_ptr=bias_gradients,
        sse_ptr=sse,
        scratch_ptr=scratch,
        pixels=pixels,
        omega=shape.omega,
        channels_inverse=1 / shape.widths[-1],
        LAYERS=layers,
        INPUTS=shape.widths[0],
        CHANNELS=shape.widths[-1],
        PAD=pad,
        TILE=tile,
        SPLITS=splits,
        PRECISION=precision,
        num_warps=warps,
    )
    summed, summed_biases = matrix_gradients.sum(1), bias_gradients.sum(1)
    for number, ((at, bias), (cols, rows)) in enumerate(zip(slices, pairwise(shape.widths), strict=True)):
        gradient[:, at] = summed[:, number, :rows, :cols].flatten(1)
        gradient[:, bias] = summed_biases[:, number, :rows]
    return sse.sum(1)
