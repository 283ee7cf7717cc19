"""Forward and backward of a SIREN as one Triton kernel (needs CUDA and Triton; ``gradient.py`` is its reference).

A program takes one image and every ``splits``-th tile of its pixels, then another image or another share of it: there
are as many programs as run at once. It walks a tile through all layers and back: the activations entering a layer stay
in registers, the sines and slopes that the backward pass needs go to a scratch of the program's own (180 KB for 11
layers of 32 units, 48 MB in all programs of 132 multiprocessors, about what the second-level cache of such a GPU
holds), weights are read per layer and stay cached, and weight gradients are summed in the result's slice of that image
and share. Nothing is atomic, so results repeat bit for bit. Products run in TF32 with float32 sums, or in IEEE float32
for tests.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import torch
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
_WARPS_AT_ONCE = 8
"""Of these programs on one multiprocessor: their registers are used up then."""
_INTERPRETED_AT_ONCE = 3
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
def _item(
    weights,
    biases,
    xy,
    colours,
    pixel_weights,
    weight_gradients,
    bias_gradients,
    scratch,
    split,
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
    """One image, every SPLITS-th tile from ``split`` on; pointers to what is the image's. Returns the squared error."""
    unit, pixel = tl.arange(0, PAD), tl.arange(0, TILE)
    square = unit[:, None] * PAD + unit[None, :]
    block = pixel[:, None] * PAD + unit[None, :]
    sse = tl.zeros((TILE,), tl.float32)
    for first in range(split * TILE, pixels, SPLITS * TILE):
        at = first + pixel
        inside = at < pixels
        h = tl.load(
            xy + unit[None, :] * pixels + at[:, None],
            mask=inside[:, None] & (unit[None, :] < INPUTS),
            other=0.0,
        )
        for layer in range(LAYERS - 1):
            tl.store(scratch + 2 * layer * TILE * PAD + block, h)
            w = tl.load(weights + layer * PAD * PAD + square)
            z = _pass(h, w, tl.load(biases + layer * PAD + unit), PRECISION)
            h, cosine = sine_and_cosine(z * (omega * _INVERSE_PI))
            tl.store(scratch + (2 * layer + 1) * TILE * PAD + block, omega * cosine)
        w = tl.load(weights + (LAYERS - 1) * PAD * PAD + square)
        out = _pass(h, w, tl.load(biases + (LAYERS - 1) * PAD + unit), PRECISION)
        truth = tl.load(
            colours + unit[None, :] * pixels + at[:, None],
            mask=inside[:, None] & (unit[None, :] < CHANNELS),
            other=0.5,
        )
        pixel_weight = tl.load(pixel_weights + at, mask=inside, other=0.0)
        # Padded outputs are 0, their colour 0.5: no error.
        error = 0.5 + 0.5 * out - truth
        weighted = error * pixel_weight[:, None] * channels_inverse
        sse += tl.sum(error * weighted, axis=1)
        d = weighted
        tl.debug_barrier()  # what one warp stored in the scratch, another may read
        for back in range(LAYERS):
            layer = LAYERS - 1 - back
            here = weight_gradients + layer * PAD * PAD + square
            tl.store(here, tl.load(here) + tl.dot(tl.trans(d), h, input_precision=PRECISION))
            sums = bias_gradients + layer * PAD + unit
            tl.store(sums, tl.load(sums) + tl.sum(d, axis=0))
            if layer > 0:
                w = tl.load(weights + layer * PAD * PAD + square)
                slope = tl.load(scratch + (2 * layer - 1) * TILE * PAD + block)
                d = tl.dot(d, w, input_precision=PRECISION) * slope
                h = tl.load(scratch + 2 * (layer - 1) * TILE * PAD + block)
        tl.debug_barrier()
    return tl.sum(sse, axis=0)


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
    items,
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
    """Of ``items``, image times SPLITS + split, those of one program.

    Weights ``(B, LAYERS, PAD, PAD)`` and biases ``(B, LAYERS, PAD)``, zero-padded; gradients per item; scratch per
    program.
    """
    scratch = scratch_ptr + tl.program_id(0).to(tl.int64) * 2 * LAYERS * TILE * PAD
    for number in range(tl.program_id(0), items, tl.num_programs(0)):
        item, image = tl.cast(number, tl.int64), tl.cast(number // SPLITS, tl.int64)
        sse = _item(
            weight_ptr + image * LAYERS * PAD * PAD,
            bias_ptr + image * LAYERS * PAD,
            xy_ptr + image * INPUTS * pixels,
            colour_ptr + image * CHANNELS * pixels,
            pixel_weight_ptr + image * pixels,
            weight_gradient_ptr + item * LAYERS * PAD * PAD,
            bias_gradient_ptr + item * LAYERS * PAD,
            scratch,
            number % SPLITS,
            pixels,
            omega,
            channels_inverse,
            LAYERS,
            INPUTS,
            CHANNELS,
            PAD,
            TILE,
            SPLITS,
            PRECISION,
        )
        tl.store(sse_ptr + item, sse)


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
    programs = min(batch * splits, _programs_at_once(parameters.device, warps=warps))
    scratch = parameters.new_empty((programs, 2, layers, tile, pad))
    kernel: Any = errors_and_gradients_kernel
    kernel[(programs,)](
        weight_ptr=matrices,
        bias_ptr=biases,
        xy_ptr=xy.contiguous(),
        colour_ptr=colours.contiguous(),
        pixel_weight_ptr=weights.contiguous(),
        weight_gradient_ptr=matrix_gradients,
        bias_gradient_ptr=bias_gradients,
        sse_ptr=sse,
        scratch_ptr=scratch,
        items=batch * splits,
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


@cache
def _programs_at_once(device: torch.device, *, warps: int) -> int:
    """How many run on ``device`` together; on the CPU, in Triton's interpreter, a few that have several items each."""
    if device.type != "cuda":
        return _INTERPRETED_AT_ONCE
    return torch.cuda.get_device_properties(device).multi_processor_count * (_WARPS_AT_ONCE // warps)
