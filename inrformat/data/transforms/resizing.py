"""Resizing in coordinates, with torchvision's sizes and their distributions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torchvision import transforms as v1
from torchvision.transforms import v2

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.fused.operations import Instruction, Operation
from inrformat.data.transforms.lifting import State, Step, always, lifts, require_bilinear
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.output_size import Size

__all__ = ["resized"]


@lifts(v2.Resize, v1.Resize)
def _resize(transform: Any, _state: State) -> Step:
    require_bilinear(transform)
    size, max_size = transform.size, transform.max_size
    if size is None:
        return Step(lambda canvas, _: _known(canvas, lambda one: one.resize_long(max_size)))
    sides = [size] if isinstance(size, int) else list(size)
    if len(sides) == 2:
        return _to_size(sides[0], sides[1])
    if max_size is None:
        return _short_side_to(sides[0])
    return Step(lambda canvas, _: _known(canvas, lambda one: one.resize_short(sides[0], max_size=max_size)))


def resized(size: Size) -> tuple[Step, ...]:
    """The steps that bring images to a working size: none, or one resize."""
    if size is None:
        return ()
    if isinstance(size, int):
        return (_short_side_to(size),)
    return (_to_size(*size),)


def _short_side_to(side: int) -> Step:
    return Step(
        lambda canvas, _: _known(canvas, lambda one: one.resize_short(side)),
        instructions=always(Instruction(Operation.RESIZE_SHORT, (side,))),
    )


def _to_size(height: int, width: int) -> Step:
    instruction = Instruction(Operation.RESIZE, (height, width))
    return Step(lambda canvas, _: canvas.resize(height, width), instructions=always(instruction))


def _known(canvas: Canvas, resize: Any) -> Canvas:
    """``resize(canvas)``, which keeps a size known for the whole batch known."""
    if canvas.size is None:
        result: Canvas = resize(canvas)
        return result
    probe = resize(Canvas.of(*canvas.size))
    return canvas.resize(int(probe.height), int(probe.width))


@lifts(v2.RandomResize)
def _random_resize(transform: Any, _state: State) -> Step:
    require_bilinear(transform)

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        side = generator.integer(transform.min_size, transform.max_size)
        return replace(canvas.resize_short(side), shortest=transform.min_size)

    return Step(apply)


@lifts(v2.RandomShortestSize)
def _random_shortest_size(transform: Any, _state: State) -> Step:
    require_bilinear(transform)
    sides = [float(side) for side in transform.min_size]

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        chosen = generator.integer(0, len(sides))
        side = sum((chosen == k) * sides[k] for k in range(len(sides)))
        scale = side / torch.minimum(canvas.height, canvas.width)
        if transform.max_size is not None:
            scale = torch.minimum(scale, _quotient(transform.max_size, torch.maximum(canvas.height, canvas.width)))
        return _scaled(canvas, scale)

    return Step(apply)


@lifts(v2.ScaleJitter)
def _scale_jitter(transform: Any, _state: State) -> Step:
    require_bilinear(transform)
    first, second = transform.target_size

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        # torchvision sets the second number against the height.
        fitting = torch.minimum(_quotient(second, canvas.height), _quotient(first, canvas.width))
        # In torchvision's precision, or sizes that come out whole would be cut to one pixel less.
        return _scaled(canvas, fitting.float() * generator.uniform(*transform.scale_range).float())

    return Step(apply)


def _quotient(number: float, sides: torch.Tensor) -> torch.Tensor:
    """``number / sides`` as Python divides: torch's own multiplies by the reciprocal, and rounds twice."""
    return torch.full_like(sides, number) / sides


def _scaled(canvas: Canvas, scale: torch.Tensor) -> Canvas:
    """Both sides times ``scale (B,)`` in the precision of ``scale``, cut to whole pixels."""
    height, width = ((side.to(scale) * scale).floor().clamp(min=1) for side in (canvas.height, canvas.width))
    return canvas.resize(height, width)
