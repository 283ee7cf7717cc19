"""The compiled step on CUDA: `cpu.py` for some samples a program, with the tries at a box side by side.

Compiled without contraction of multiplications and additions, which would round once where torch rounds twice.
"""

from __future__ import annotations

from contextlib import nullcontext
from types import FunctionType
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from inrformat.data.randomness import EPOCHS, MAX_OCCURRENCES
from inrformat.data.transforms.fused.batch import Counters, Entry, Frames, Sides
from inrformat.data.transforms.fused.operations import BOX_TRIES, Operation
from inrformat.decoding import exact_math

__all__ = ["OPTIONS", "SAMPLES", "draw_kernel", "run"]

SAMPLES = 16
"""Of a program."""
OPTIONS = {"num_warps": 4, "enable_fp_fusion": False}


def _compiled(function: Any) -> Any:
    """A function of plain arithmetic for Triton, whose interpreter asks that its module know ``tl``."""
    known = {**function.__globals__, "tl": tl}
    return triton.jit(FunctionType(function.__code__, known, function.__name__))


_exponential, _sine, _cosine = (_compiled(f) for f in (exact_math.exponential, exact_math.sine, exact_math.cosine))

_RANDOM_BOX, _CUT_WINDOW = tl.constexpr(int(Operation.RANDOM_BOX)), tl.constexpr(int(Operation.CUT_WINDOW))
_RESIZE, _EXPOSE = tl.constexpr(int(Operation.RESIZE)), tl.constexpr(int(Operation.EXPOSE))
_FLIP_X, _FLIP_Y = tl.constexpr(int(Operation.FLIP_HORIZONTALLY)), tl.constexpr(int(Operation.FLIP_VERTICALLY))
_ROTATE, _AFFINE = tl.constexpr(int(Operation.ROTATE)), tl.constexpr(int(Operation.AFFINE))
_RESIZE_SHORT = tl.constexpr(int(Operation.RESIZE_SHORT))
_CENTER_CROP = tl.constexpr(int(Operation.CENTER_CROP))
_RANDOM_CROP = tl.constexpr(int(Operation.RANDOM_CROP))
_PAD = tl.constexpr(int(Operation.PAD))
_BOX_TRIES, _BOX_TRIES_PADDED = tl.constexpr(BOX_TRIES), tl.constexpr(triton.next_power_of_2(BOX_TRIES))
_EPOCHS, _MAX_OCCURRENCES = tl.constexpr(EPOCHS), tl.constexpr(MAX_OCCURRENCES)
_LEAST = tl.constexpr(2.0**-32)
_COUNTS_IN_ONES = tl.constexpr(1.5 * 2.0**52)


class _Stream(NamedTuple):
    """Where the random words of some samples come from: the parts of Philox's counter that are theirs, and its key."""

    seed: Any
    first: Any
    second: Any
    third: Any


class _Frame(NamedTuple):
    """Those of some samples, as in `Canvas`: the first two rows of the matrix, row by row, window, feather."""

    height: Any
    width: Any
    m00: Any
    m01: Any
    m02: Any
    m10: Any
    m11: Any
    m12: Any
    left: Any
    top: Any
    right: Any
    bottom: Any
    feather_x: Any
    feather_y: Any


def run(counters: Counters, sides: Sides, *, entries: tuple[Entry, ...], settings: Tensor, view: int) -> Frames:
    """See `Program.canvas`."""
    count, device = len(counters.samples), counters.samples.device
    frames = Frames(*(torch.empty(shape, dtype=torch.float64, device=device) for shape in Frames.shapes(count)))
    kernel: Any = draw_kernel
    # Triton launches on the current device, whatever device its arguments are on.
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        kernel[(triton.cdiv(count, SAMPLES),)](
            **{name: tensor.contiguous() for name, tensor in (counters._asdict() | sides._asdict()).items()},
            settings=settings,
            frame_heights=frames.height,
            frame_widths=frames.width,
            matrices=frames.matrices,
            windows=frames.windows,
            feather=frames.feather,
            count=count,
            view=view,
            ENTRIES=tuple(tuple(entry) for entry in entries),
            SAMPLES=SAMPLES,
            **OPTIONS,
        )
    return frames


@triton.jit(do_not_specialize=["count", "view"], do_not_specialize_on_alignment=["occurrences"])
def draw_kernel(
    key,
    samples,
    occurrences,
    heights,
    widths,
    settings,
    frame_heights,
    frame_widths,
    matrices,
    windows,
    feather,
    count,
    view,
    ENTRIES: tl.constexpr,
    SAMPLES: tl.constexpr,
):
    """The frames after ENTRIES, tuples of (operation, first word, first setting), of ``count`` samples."""
    place = tl.program_id(0) * SAMPLES + tl.arange(0, SAMPLES)
    inside = place < count
    sample = tl.load(samples + place, inside, other=0)
    occurrence = tl.load(occurrences + place, inside, other=0)
    stream = _stream(tl.load(key), tl.load(key + 1), sample, occurrence, view)
    height = tl.load(heights + sample, inside, other=1).to(tl.float64)
    width = tl.load(widths + sample, inside, other=1).to(tl.float64)
    zero = tl.zeros_like(height)
    one = zero + 1.0
    frame = _Frame(height, width, one, zero, zero, zero, one, zero, zero, zero, width, height, one, one)
    for k in tl.static_range(len(ENTRIES)):
        frame = _applied(frame, stream, settings + ENTRIES[k][2], ENTRIES[k][0], ENTRIES[k][1])
    tl.store(frame_heights + place, frame.height, inside)
    tl.store(frame_widths + place, frame.width, inside)
    _store(matrices + 9 * place, frame, inside)
    tl.store(windows + 4 * place, frame.left, inside)
    tl.store(windows + 4 * place + 1, frame.top, inside)
    tl.store(windows + 4 * place + 2, frame.right, inside)
    tl.store(windows + 4 * place + 3, frame.bottom, inside)
    tl.store(feather + 2 * place, frame.feather_x, inside)
    tl.store(feather + 2 * place + 1, frame.feather_y, inside)


@triton.jit
def _store(matrices, frame, inside):
    zero = tl.zeros_like(frame.m00)
    tl.store(matrices, frame.m00, inside)
    tl.store(matrices + 1, frame.m01, inside)
    tl.store(matrices + 2, frame.m02, inside)
    tl.store(matrices + 3, frame.m10, inside)
    tl.store(matrices + 4, frame.m11, inside)
    tl.store(matrices + 5, frame.m12, inside)
    tl.store(matrices + 6, zero, inside)
    tl.store(matrices + 7, zero, inside)
    tl.store(matrices + 8, zero + 1.0, inside)


@triton.jit
def _stream(seed, epoch, sample, occurrence, view):
    second = ((sample >> 32) & 0xFFFF) | (occurrence % _MAX_OCCURRENCES << 20)
    third = (epoch & (_EPOCHS - 1)) | (view.to(tl.int64) * _EPOCHS)
    return _Stream(seed, sample.to(tl.uint32), second.to(tl.uint32), third.to(tl.uint32))


@triton.jit
def _words(stream, numbers):
    """The words with these ``numbers`` of each sample's stream, 0..2**32 - 1 as int64."""
    blocks = (numbers >> 2).to(tl.uint32)
    a, b, c, d = tl.philox(stream.seed, stream.first, stream.second, stream.third, blocks)
    place = numbers & 3
    return tl.where(place < 2, tl.where(place == 0, a, b), tl.where(place == 2, c, d)).to(tl.int64)


@triton.jit
def _uniform(stream, numbers, low, high):
    return low + _words(stream, numbers).to(tl.float64) * _LEAST * (high - low)


@triton.jit
def _rounded(x):
    """To the nearest whole number, halves to even: what adding so much does to a float64."""
    return x + _COUNTS_IN_ONES - _COUNTS_IN_ONES


@triton.jit
def _applied(frame, stream, settings, OPERATION: tl.constexpr, WORD: tl.constexpr):
    word = tl.full((1,), WORD, tl.int32)
    if OPERATION == _RANDOM_BOX:
        frame = _random_box(frame, stream, settings, word)
    elif OPERATION == _CUT_WINDOW:
        frame = _cut(frame, frame.feather_x, frame.feather_y)
    elif OPERATION == _EXPOSE:
        frame = _cut(frame, tl.abs(frame.m00), tl.abs(frame.m11))
    elif OPERATION == _RESIZE:
        zero = tl.zeros_like(frame.height)
        frame = _resized(frame, tl.load(settings) + zero, tl.load(settings + 1) + zero)
    elif OPERATION == _RESIZE_SHORT:
        side = tl.load(settings) + tl.zeros_like(frame.height)
        long = tl.floor(side * tl.maximum(frame.height, frame.width) / tl.minimum(frame.height, frame.width))
        tall = frame.height >= frame.width
        frame = _resized(frame, tl.where(tall, long, side), tl.where(tall, side, long))
    elif OPERATION == _CENTER_CROP:
        height, width = tl.load(settings), tl.load(settings + 1)
        top, left = _rounded((frame.height - height) / 2.0), _rounded((frame.width - width) / 2.0)
        frame = _cropped(frame, top, left, height, width)
    elif OPERATION == _RANDOM_CROP:
        height, width = tl.load(settings), tl.load(settings + 1)
        top = _place(frame.height - height, stream, word)
        left = _place(frame.width - width, stream, word + 1)
        frame = _cropped(frame, top, left, height, width)
    elif OPERATION == _PAD:
        left, top = tl.load(settings), tl.load(settings + 1)
        height = frame.height + top + tl.load(settings + 3)
        width = frame.width + left + tl.load(settings + 2)
        frame = _cropped(frame, -top, -left, height, width)
    elif OPERATION == _FLIP_X:
        flip = (_uniform(stream, word, 0.0, 1.0) < tl.load(settings)).to(tl.float64)
        zero = tl.zeros_like(flip)
        frame = _mapped(
            frame, 1.0 - 2.0 * flip, zero, flip * frame.width, zero, zero + 1.0, zero, frame.height, frame.width
        )
    elif OPERATION == _FLIP_Y:
        flip = (_uniform(stream, word, 0.0, 1.0) < tl.load(settings)).to(tl.float64)
        zero = tl.zeros_like(flip)
        frame = _mapped(
            frame, zero + 1.0, zero, zero, zero, 1.0 - 2.0 * flip, flip * frame.height, frame.height, frame.width
        )
    elif OPERATION == _ROTATE:
        degrees = -_uniform(stream, word, tl.load(settings), tl.load(settings + 1))
        zero = tl.zeros_like(degrees)
        frame = _warped(frame, degrees, zero, zero, zero + 1.0, zero, zero, settings + 2)
    elif OPERATION == _AFFINE:
        frame = _random_affine(frame, stream, settings, word)
    return frame


@triton.jit
def _mapped(frame, a, b, c, d, e, f, height, width):
    """The matrix times that of the rows (a, b, c), (d, e, f), (0, 0, 1), every operation in torch's place."""
    return _Frame(
        height,
        width,
        frame.m00 * a + frame.m01 * d + frame.m02 * 0.0,
        frame.m00 * b + frame.m01 * e + frame.m02 * 0.0,
        frame.m00 * c + frame.m01 * f + frame.m02,
        frame.m10 * a + frame.m11 * d + frame.m12 * 0.0,
        frame.m10 * b + frame.m11 * e + frame.m12 * 0.0,
        frame.m10 * c + frame.m11 * f + frame.m12,
        frame.left,
        frame.top,
        frame.right,
        frame.bottom,
        frame.feather_x,
        frame.feather_y,
    )


@triton.jit
def _random_box(frame, stream, settings, word):
    tries = tl.arange(0, _BOX_TRIES_PADDED)[None, :]
    of_tries = _Stream(stream.seed, stream.first[:, None], stream.second[:, None], stream.third)
    share = _uniform(of_tries, word + tries, tl.load(settings), tl.load(settings + 1))
    logarithm = _uniform(of_tries, word + _BOX_TRIES + tries, tl.load(settings + 2), tl.load(settings + 3))
    aspect = _exponential(logarithm)
    area = (frame.height * frame.width)[:, None] * share
    tried_h, tried_w = _rounded(tl.sqrt(area / aspect)), _rounded(tl.sqrt(area * aspect))  # (SAMPLES, tries)
    fits_y = (tried_h > 0) & (tried_h <= frame.height[:, None])
    fits_x = (tried_w > 0) & (tried_w <= frame.width[:, None])
    first = tl.min(tl.where(fits_y & fits_x & (tries < _BOX_TRIES), tries, _BOX_TRIES), axis=1)
    found, chosen = first < _BOX_TRIES, tries == first[:, None]
    whole_h = tl.minimum(frame.height, _rounded(frame.width / tl.load(settings + 4)))
    whole_w = tl.minimum(frame.width, _rounded(frame.height * tl.load(settings + 5)))
    height = tl.where(found, tl.sum(tl.where(chosen, tried_h, 0.0), axis=1), whole_h)
    width = tl.where(found, tl.sum(tl.where(chosen, tried_w, 0.0), axis=1), whole_w)
    room_y, room_x = frame.height - height, frame.width - width
    top = tl.where(found, _place(room_y, stream, word + 2 * _BOX_TRIES), tl.floor(room_y / 2.0))
    left = tl.where(found, _place(room_x, stream, word + 2 * _BOX_TRIES + 1), tl.floor(room_x / 2.0))
    return _cropped(frame, top, left, height, width)


@triton.jit
def _place(room, stream, word):
    """Where a crop begins that may move by ``room``, a whole number."""
    return (_words(stream, word) * (room.to(tl.int64) + 1) >> 32).to(tl.float64)


@triton.jit
def _cropped(frame, top, left, height, width):
    zero = tl.zeros_like(frame.height)
    return _mapped(frame, zero + 1.0, zero, zero + left, zero, zero + 1.0, zero + top, zero + height, zero + width)


@triton.jit
def _resized(frame, height, width):
    zero = tl.zeros_like(height)
    return _mapped(frame, frame.width / width, zero, zero, zero, frame.height / height, zero, height, width)


@triton.jit
def _cut(frame, feather_x, feather_y):
    """The window cut to the frame: ``Canvas._frame_window``."""
    right, bottom = frame.m00 * frame.width + frame.m02, frame.m11 * frame.height + frame.m12
    return _Frame(
        frame.height,
        frame.width,
        frame.m00,
        frame.m01,
        frame.m02,
        frame.m10,
        frame.m11,
        frame.m12,
        tl.maximum(frame.left, tl.minimum(frame.m02, right)),
        tl.maximum(frame.top, tl.minimum(frame.m12, bottom)),
        tl.minimum(frame.right, tl.maximum(frame.m02, right)),
        tl.minimum(frame.bottom, tl.maximum(frame.m12, bottom)),
        feather_x,
        feather_y,
    )


@triton.jit
def _random_affine(frame, stream, settings, word):
    degrees = _uniform(stream, word, tl.load(settings), tl.load(settings + 1))
    most_x, most_y = tl.load(settings + 2) * frame.width, tl.load(settings + 3) * frame.height
    shift_x = _rounded(_uniform(stream, word + 1, -most_x, most_x))
    shift_y = _rounded(_uniform(stream, word + 2, -most_y, most_y))
    scale = _uniform(stream, word + 3, tl.load(settings + 4), tl.load(settings + 5))
    shear_x = _uniform(stream, word + 4, tl.load(settings + 6), tl.load(settings + 7))
    shear_y = _uniform(stream, word + 5, tl.load(settings + 8), tl.load(settings + 9))
    return _warped(frame, degrees, shift_x, shift_y, scale, shear_x, shear_y, settings + 10)


@triton.jit
def _warped(frame, degrees, shift_x, shift_y, scale, shear_x, shear_y, center):
    """``Canvas.affine``."""
    a, c = _cosine(degrees - shear_y) / _cosine(shear_y), _sine(degrees - shear_y) / _cosine(shear_y)
    tangent = _sine(shear_x) / _cosine(shear_x)
    b, d = -a * tangent - _sine(degrees), _cosine(degrees) - c * tangent
    m0, m1, m2, m3 = d / scale, -b / scale, -c / scale, a / scale
    x, y = tl.load(center), tl.load(center + 1)
    center_x, center_y = tl.where(x != x, frame.width / 2.0, x), tl.where(y != y, frame.height / 2.0, y)
    to_x, to_y = center_x + shift_x, center_y + shift_y
    x, y = center_x - m0 * to_x - m1 * to_y, center_y - m2 * to_x - m3 * to_y
    return _mapped(frame, m0, m1, x, m2, m3, y, frame.height, frame.width)
