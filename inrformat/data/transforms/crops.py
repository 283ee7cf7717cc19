"""Crops and padding in coordinates, with torchvision's distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import torch
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.fused.operations import BOX_TRIES, Instruction, Operation
from inrformat.data.transforms.lifting import NotLiftable, State, Step, always, lifts, require_bilinear, setting
from inrformat.decoding.canvas import Canvas, Number
from inrformat.decoding.exact_math import exponential
from inrformat.decoding.geometry import PaddingMode

__all__ = ["random_resized_box"]


@lifts(v2.CenterCrop, v1.CenterCrop)
def _center_crop(transform: Any, _state: State) -> Step:
    height, width = setting(transform.size)

    def instructions(canvas: Canvas) -> tuple[Instruction, ...] | None:
        fits = canvas.shortest >= max(height, width)  # else it pads
        return (Instruction(Operation.CENTER_CROP, (height, width)),) if fits else None

    return Step(lambda canvas, _: canvas.center_crop(height, width), instructions=instructions)


@lifts(v2.RandomResizedCrop, v1.RandomResizedCrop)
def _random_resized_crop(transform: Any, _state: State) -> Step:
    require_bilinear(transform)
    size = setting(transform.size)

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        box = random_resized_box(canvas.height, canvas.width, generator, scale=transform.scale, ratio=transform.ratio)
        return canvas.crop(*box).resize(*size)

    box = (*transform.scale, *_log_ratio(transform.ratio), min(transform.ratio), max(transform.ratio))
    return Step(apply, instructions=always(Instruction(Operation.RANDOM_BOX, box), Instruction(Operation.RESIZE, size)))


def random_resized_box(
    heights: Tensor, widths: Tensor, generator: CounterGenerator, *, scale: Sequence[float], ratio: Sequence[float]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Top, left, height and width of ``v2.RandomResizedCrop``, float64 ``(B,)`` of whole numbers.

    Up to ten tries at an area share within ``scale`` and a width to height ratio within ``ratio``, log-uniform; the
    first that fits is taken, at a uniform place; else the largest centred crop whose ratio is allowed.
    """
    uniforms = generator.uniforms(2 * BOX_TRIES)
    area = (heights * widths)[:, None] * (scale[0] + uniforms[:, :BOX_TRIES] * (scale[1] - scale[0]))
    low, high = _log_ratio(ratio)
    aspect = exponential(low + uniforms[:, BOX_TRIES:] * (high - low))
    tried_w, tried_h = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (tried_w > 0) & (tried_w <= widths[:, None]) & (tried_h > 0) & (tried_h <= heights[:, None])
    first = fits.to(torch.int8).argmax(1, keepdim=True)
    found = fits.any(1)
    # No try fitted: the whole image, cut to the nearest allowed ratio. Some devices divide by a number by multiplying.
    whole_w = torch.minimum(widths, (heights * max(ratio)).round())
    whole_h = torch.minimum(heights, (widths / torch.full_like(widths, min(ratio))).round())
    w = torch.where(found, tried_w.gather(1, first)[:, 0], whole_w)
    h = torch.where(found, tried_h.gather(1, first)[:, 0], whole_h)
    room_y, room_x = heights - h, widths - w
    top, left = (generator.integer(0, (room + 1).long()).to(w) for room in (room_y, room_x))
    top, left = torch.where(found, top, (room_y / 2).floor()), torch.where(found, left, (room_x / 2).floor())
    return top, left, h, w


def _log_ratio(ratio: Sequence[float]) -> tuple[float, float]:
    """Natural logarithms of two numbers, correctly rounded, as not every library has them."""
    low, high = (float(Decimal(r).ln()) for r in ratio)
    return low, high


@lifts(v2.RandomCrop, v1.RandomCrop)
def _random_crop(transform: Any, state: State) -> Step:
    height, width = setting(transform.size)
    # v2 keeps (left, right, top, bottom), parsed; v1 what it was given.
    margins = _v1_margins(transform.padding) if isinstance(transform, v1.RandomCrop) else tuple(transform.padding or ())
    fill, padding_mode = state.fill(transform), PaddingMode[transform.padding_mode.upper()]

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        left, right, top, bottom = margins or (0, 0, 0, 0)
        padded = canvas.pad(left, top, right, bottom, fill=fill, padding_mode=padding_mode) if any(margins) else canvas
        grown = canvas.shortest + min(left + right, top + bottom)
        least = (grown, grown) if padded.size is None else padded.size
        if least[0] < height or least[1] < width:
            if not transform.pad_if_needed:
                raise NotLiftable(f"images may be smaller than the crop of {height}x{width}: pass pad_if_needed=True")
            padded = _padded_to(padded, height, width, fill=fill, padding_mode=padding_mode)
        room_y, room_x = ((side + 0.5).long() for side in (padded.height - height, padded.width - width))
        top_at, left_at = generator.integer(0, room_y + 1), generator.integer(0, room_x + 1)
        return padded.crop(top_at, left_at, height, width)

    crop = Instruction(Operation.RANDOM_CROP, (height, width))
    if transform.pad_if_needed:
        return Step(apply)
    if not any(margins):
        return Step(apply, instructions=always(crop))
    left, right, top, bottom = margins
    return Step(apply, instructions=always(Instruction(Operation.PAD, (left, top, right, bottom)), crop))


def _padded_to(
    canvas: Canvas, height: int, width: int, *, fill: tuple[float, ...], padding_mode: PaddingMode
) -> Canvas:
    """Margins on both sides as wide as what is missing, as ``v2.RandomCrop(pad_if_needed=True)``."""
    x: Number = (width - canvas.width).clamp(min=0)
    y: Number = (height - canvas.height).clamp(min=0)
    if canvas.size is not None:
        y, x = max(height - canvas.size[0], 0), max(width - canvas.size[1], 0)
    return canvas.pad(x, y, x, y, fill=fill, padding_mode=padding_mode)


def _v1_margins(padding: Any) -> tuple[int, ...]:
    if padding is None:
        return ()
    left, top, right, bottom = _margins(padding)
    return left, right, top, bottom


def _margins(padding: Any) -> tuple[int, int, int, int]:
    """left, top, right, bottom of torchvision's padding setting: one int, or one, two or four of them."""
    values = [padding] if isinstance(padding, int) else [int(v) for v in padding]
    left, top = values[0], values[1 % len(values)]
    return (left, top, *values[2:]) if len(values) == 4 else (left, top, left, top)  # type: ignore[return-value]


@lifts(v2.Pad, v1.Pad)
def _pad(transform: Any, state: State) -> Step:
    left, top, right, bottom = _margins(transform.padding)
    if min(left, top, right, bottom) < 0:
        raise NotLiftable("negative padding")
    fill, padding_mode = state.fill(transform), PaddingMode[transform.padding_mode.upper()]

    def apply(canvas: Canvas, _generator: CounterGenerator) -> Canvas:
        padded = canvas.pad(left, top, right, bottom, fill=fill, padding_mode=padding_mode)
        return replace(padded, shortest=canvas.shortest + min(left + right, top + bottom))

    return Step(apply, instructions=always(Instruction(Operation.PAD, (left, top, right, bottom))))


@lifts(v2.RandomZoomOut)
def _zoom_out(transform: Any, state: State) -> Step:
    fill = state.fill(transform)
    least, most = transform.side_range

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        # In torchvision's precision, or sizes that come out whole would be cut to one pixel less.
        chosen, grown = generator.chance(transform.p), generator.uniform(least, most).float()
        room_x, room_y = ((side.to(grown) * grown).floor() - side for side in (canvas.width, canvas.height))
        left, top = ((room * generator.uniform()).floor() for room in (room_x, room_y))
        padded = canvas.pad(left, top, room_x - left, room_y - top, fill=fill)
        return replace(padded, shortest=canvas.shortest).where(chosen, canvas)

    return Step(apply)
