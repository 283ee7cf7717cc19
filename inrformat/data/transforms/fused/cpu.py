"""The compiled step on the CPU: the operations of `Canvas` on one sample after the other, rounded as torch rounds."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.data import randomness
from inrformat.data.randomness import EPOCHS, MAX_OCCURRENCES
from inrformat.data.transforms.fused.batch import Counters, Entry, Frames, Sides
from inrformat.data.transforms.fused.operations import BOX_TRIES, WORDS, Operation
from inrformat.decoding import exact_math
from inrformat.decoding.cpu.first_use import load_or_compile
from inrformat.jit import exact

__all__ = ["run", "warm_up"]

_rounds: Any = exact(randomness.philox_rounds)
_exponential: Any = exact(exact_math.exponential)
_sine: Any = exact(exact_math.sine)
_cosine: Any = exact(exact_math.cosine)

_RANDOM_BOX, _CUT_WINDOW, _RESIZE = int(Operation.RANDOM_BOX), int(Operation.CUT_WINDOW), int(Operation.RESIZE)
_FLIP_X, _FLIP_Y = int(Operation.FLIP_HORIZONTALLY), int(Operation.FLIP_VERTICALLY)
_EXPOSE, _ROTATE, _AFFINE = int(Operation.EXPOSE), int(Operation.ROTATE), int(Operation.AFFINE)
_RESIZE_SHORT, _CENTER_CROP = int(Operation.RESIZE_SHORT), int(Operation.CENTER_CROP)
_RANDOM_CROP, _PAD = int(Operation.RANDOM_CROP), int(Operation.PAD)
_LOW = 0xFFFFFFFF
_LEAST = 2.0**-32


class _Frame(NamedTuple):
    """One sample's: ``sides``: height and width; the others as in `Canvas`. All are changed in place."""

    sides: NDArray[np.float64]
    matrix: NDArray[np.float64]
    window: NDArray[np.float64]
    feather: NDArray[np.float64]


def run(counters: Counters, sides: Sides, *, entries: tuple[Entry, ...], settings: Tensor, view: int) -> Frames:
    """See `Program.canvas`."""
    warm_up(silent=False)
    return _run(counters, sides, entries=entries, settings=settings, view=view)


@cache
def warm_up(*, silent: bool = True) -> None:
    """Compile the step, or load it compiled: costs nothing after the first time."""
    load_or_compile(_draw_nothing, silent=silent)


def _draw_nothing() -> None:
    """A batch of no samples, whose types are those of every batch."""
    none, no_sides = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int32)
    counters = Counters(torch.zeros(2, dtype=torch.int64), none, none)
    _run(counters, Sides(no_sides, no_sides), entries=(), settings=torch.zeros(0, dtype=torch.float64), view=0)


def _run(counters: Counters, sides: Sides, *, entries: tuple[Entry, ...], settings: Tensor, view: int) -> Frames:
    table = np.array(entries, np.int64).reshape(-1, 3)
    words = max((word + WORDS.get(Operation(operation), 0) for operation, word, _ in entries), default=0)
    frames = [np.empty(shape) for shape in Frames.shapes(len(counters.samples))]
    arguments: list[Any] = [tensor.numpy() for tensor in (*counters, *sides, settings)]
    arguments += [table, words, view, *frames]
    _draw(*arguments)
    return Frames(*map(torch.from_numpy, frames))


@exact
def _draw(
    key: Any,
    samples: Any,
    occurrences: Any,
    heights: Any,
    widths: Any,
    settings: Any,
    table: Any,
    word_count: int,
    view: int,
    frame_heights: Any,
    frame_widths: Any,
    matrices: Any,
    windows: Any,
    feather: Any,
) -> None:
    words = np.empty(-(-word_count // 4) * 4, np.int64)
    sides = np.empty(2)
    for b in range(len(samples)):
        number = samples[b]
        _draw_words(words, key, number, occurrences[b], view)
        frame = _Frame(sides, matrices[b], windows[b], feather[b])
        _begin(frame, float(heights[number]), float(widths[number]))
        for k in range(len(table)):
            _apply(frame, table[k, 0], words[table[k, 1] :], settings[table[k, 2] :])
        frame_heights[b], frame_widths[b] = sides


@exact
def _draw_words(words: Any, key: Any, sample: int, occurrence: int, view: int) -> None:
    seed, epoch = key
    second = ((sample >> 32) & 0xFFFF) | (occurrence % MAX_OCCURRENCES << 20)
    third = (epoch & EPOCHS - 1) | (view * EPOCHS & _LOW)
    halves = (seed & _LOW, (seed >> 32) & _LOW)
    for block in range(0, len(words), 4):
        counter = (sample & _LOW, second, third, block // 4)
        words[block], words[block + 1], words[block + 2], words[block + 3] = _rounds(counter, halves)


@exact
def _uniform(word: int, low: float, high: float) -> float:
    return low + word * _LEAST * (high - low)


@exact
def _begin(frame: Any, height: float, width: float) -> None:
    frame.sides[0], frame.sides[1] = height, width
    frame.matrix[:] = 0.0
    for k in range(3):
        frame.matrix[k, k] = 1.0
    frame.window[:2], frame.window[2], frame.window[3] = 0.0, width, height
    frame.feather[:] = 1.0


@exact
def _apply(frame: Any, operation: int, words: Any, settings: Any) -> None:
    if operation == _RANDOM_BOX:
        _random_box(frame, words, settings)
    elif operation == _CUT_WINDOW:
        _cut_window(frame)
    elif operation == _RESIZE:
        _resize(frame, settings[0], settings[1])
    elif operation == _RESIZE_SHORT:
        _resize_short(frame, settings[0])
    elif operation == _CENTER_CROP:
        top, left = np.rint((frame.sides[0] - settings[0]) / 2), np.rint((frame.sides[1] - settings[1]) / 2)
        _crop(frame, top, left, settings[0], settings[1])
    elif operation == _RANDOM_CROP:
        top, left = _place(words[0], frame.sides[0] - settings[0]), _place(words[1], frame.sides[1] - settings[1])
        _crop(frame, top, left, settings[0], settings[1])
    elif operation == _PAD:
        height, width = frame.sides[0] + settings[1] + settings[3], frame.sides[1] + settings[0] + settings[2]
        _crop(frame, -settings[1], -settings[0], height, width)
    elif operation == _FLIP_X:
        flip = 1.0 if words[0] * _LEAST < settings[0] else 0.0
        _map(frame, (1.0 - 2.0 * flip, 0.0, flip * frame.sides[1], 0.0, 1.0, 0.0))
    elif operation == _FLIP_Y:
        flip = 1.0 if words[0] * _LEAST < settings[0] else 0.0
        _map(frame, (1.0, 0.0, 0.0, 0.0, 1.0 - 2.0 * flip, flip * frame.sides[0]))
    elif operation == _EXPOSE:
        _cut_window(frame)
        frame.feather[0], frame.feather[1] = abs(frame.matrix[0, 0]), abs(frame.matrix[1, 1])
    elif operation == _ROTATE:
        degrees = -_uniform(words[0], settings[0], settings[1])
        _warp(frame, degrees, (0.0, 0.0), 1.0, (0.0, 0.0), settings[2:])
    elif operation == _AFFINE:
        _random_affine(frame, words, settings)


@exact
def _map(frame: Any, entries: Any) -> None:
    """The matrix times that of ``entries`` and the row 0, 0, 1, every operation in torch's place."""
    m = frame.matrix
    for row in range(3):
        a, b, c = m[row]
        m[row, 0] = a * entries[0] + b * entries[3] + c * 0.0
        m[row, 1] = a * entries[1] + b * entries[4] + c * 0.0
        m[row, 2] = a * entries[2] + b * entries[5] + c * 1.0


@exact
def _place(word: int, room: float) -> float:
    """Where a crop begins that may move by ``room``, a whole number."""
    return float(word * (int(room) + 1) >> 32)


@exact
def _crop(frame: Any, top: float, left: float, height: float, width: float) -> None:
    _map(frame, (1.0, 0.0, left, 0.0, 1.0, top))
    frame.sides[0], frame.sides[1] = height, width


@exact
def _resize(frame: Any, height: float, width: float) -> None:
    _map(frame, (frame.sides[1] / width, 0.0, 0.0, 0.0, frame.sides[0] / height, 0.0))
    frame.sides[0], frame.sides[1] = height, width


@exact
def _resize_short(frame: Any, side: float) -> None:
    height, width = frame.sides
    long = np.floor(side * max(height, width) / min(height, width))
    if height >= width:
        _resize(frame, long, side)
    else:
        _resize(frame, side, long)


@exact
def _random_box(frame: Any, words: Any, settings: Any) -> None:
    height, width = frame.sides
    box_h, box_w = min(height, np.rint(width / settings[4])), min(width, np.rint(height * settings[5]))
    found = False
    for k in range(BOX_TRIES):
        area = height * width * _uniform(words[k], settings[0], settings[1])
        aspect = _exponential(_uniform(words[BOX_TRIES + k], settings[2], settings[3]))
        tried_h, tried_w = np.rint(math.sqrt(area / aspect)), np.rint(math.sqrt(area * aspect))
        if 0 < tried_h <= height and 0 < tried_w <= width:
            box_h, box_w, found = tried_h, tried_w, True
            break
    room_y, room_x = height - box_h, width - box_w
    top, left = np.floor(room_y / 2), np.floor(room_x / 2)
    if found:
        top, left = _place(words[2 * BOX_TRIES], room_y), _place(words[2 * BOX_TRIES + 1], room_x)
    _crop(frame, top, left, box_h, box_w)


@exact
def _cut_window(frame: Any) -> None:
    """The window cut to the frame: `Canvas._frame_window`."""
    for axis in range(2):
        one = frame.matrix[axis, 2]
        other = frame.matrix[axis, axis] * frame.sides[1 - axis] + one
        frame.window[axis] = max(frame.window[axis], min(one, other))
        frame.window[2 + axis] = min(frame.window[2 + axis], max(one, other))


@exact
def _random_affine(frame: Any, words: Any, settings: Any) -> None:
    degrees = _uniform(words[0], settings[0], settings[1])
    most_x, most_y = settings[2] * frame.sides[1], settings[3] * frame.sides[0]
    shift = (np.rint(_uniform(words[1], -most_x, most_x)), np.rint(_uniform(words[2], -most_y, most_y)))
    scale = _uniform(words[3], settings[4], settings[5])
    shear = (_uniform(words[4], settings[6], settings[7]), _uniform(words[5], settings[8], settings[9]))
    _warp(frame, degrees, shift, scale, shear, settings[10:])


@exact
def _warp(frame: Any, degrees: float, shift: Any, scale: float, shear: Any, center: Any) -> None:
    """`Canvas.affine`."""
    a, c = _cosine(degrees - shear[1]) / _cosine(shear[1]), _sine(degrees - shear[1]) / _cosine(shear[1])
    tangent = _sine(shear[0]) / _cosine(shear[0])
    b, d = -a * tangent - _sine(degrees), _cosine(degrees) - c * tangent
    m0, m1, m2, m3 = d / scale, -b / scale, -c / scale, a / scale
    center_x = frame.sides[1] / 2 if math.isnan(center[0]) else center[0]
    center_y = frame.sides[0] / 2 if math.isnan(center[1]) else center[1]
    to_x, to_y = center_x + shift[0], center_y + shift[1]
    x, y = center_x - m0 * to_x - m1 * to_y, center_y - m2 * to_x - m3 * to_y
    _map(frame, (m0, m1, x, m2, m3, y))
