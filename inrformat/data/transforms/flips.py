"""Flips in coordinates."""

from __future__ import annotations

from typing import Any

from torchvision import transforms as v1
from torchvision.transforms import v2

from inrformat.data.transforms.fused.operations import Instruction, Operation
from inrformat.data.transforms.lifting import State, Step, always, lifts

__all__: list[str] = []


@lifts(v2.RandomHorizontalFlip, v1.RandomHorizontalFlip)
def _horizontal(transform: Any, _state: State) -> Step:
    return Step(
        lambda canvas, generator: canvas.horizontal_flip(generator.chance(transform.p)),
        instructions=always(Instruction(Operation.FLIP_HORIZONTALLY, (transform.p,))),
    )


@lifts(v2.RandomVerticalFlip, v1.RandomVerticalFlip)
def _vertical(transform: Any, _state: State) -> Step:
    return Step(
        lambda canvas, generator: canvas.vertical_flip(generator.chance(transform.p)),
        instructions=always(Instruction(Operation.FLIP_VERTICALLY, (transform.p,))),
    )
