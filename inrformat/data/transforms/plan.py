"""Splits a user's pipeline: what is evaluated in coordinates, what is left for the decoded batch, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision import transforms as v1
from torchvision.transforms import v2

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms import crops, flips, pixels, resizing, warps
from inrformat.data.transforms.choices import flattened
from inrformat.data.transforms.fused.operations import Instruction
from inrformat.data.transforms.fused.program import Program
from inrformat.data.transforms.lifting import NotLiftable, State, Step, has_lifter, lifter_of, moves_unlifted
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat
from inrformat.errors import GeometryError

__all__ = ["Frame", "Plan", "explain", "has_geometry", "plan_of"]

_TABLES = (crops, flips, pixels, resizing, warps)  # importing them fills the table of lifters


@dataclass(frozen=True, slots=True)
class Frame:
    """What is known of all images of a data set before one is decoded.

    Attributes:
        size: (height, width) in pixels where all have the same, else None. shortest: no side is shorter, in pixels.
    """

    size: tuple[int, int] | None = None
    shortest: int = 1

    @classmethod
    def of(cls, heights: NDArray[np.int32], widths: NDArray[np.int32]) -> Frame:
        """What the native sizes of all images, ``(samples,)`` in pixels, have in common."""
        if not len(heights):
            return cls()
        shortest = int(min(heights.min(), widths.min()))
        one = heights.min() == heights.max() and widths.min() == widths.max()
        return cls((int(heights[0]), int(widths[0])) if one else None, shortest)

    def canvas(self, heights: torch.Tensor, widths: torch.Tensor) -> Canvas:
        """The canvas of a batch of such images, sizes ``(B,)`` in pixels."""
        canvas = Canvas.of(heights, widths, shortest=self.shortest)
        return canvas if self.size is None else canvas.crop(0, 0, *self.size)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A pipeline in two halves.

    Attributes:
        lifted: transforms evaluated in coordinates or fused into the decoder. steps: the same, lifted.
        pixels: the form in which the decoder hands pixels over.
        batch_transforms: transforms applied to the decoded batch. reason: why the first of them was not lifted.
        size: (height, width) of the decoded batch where it is one for all samples, else None.
        program: the lifted half for the compiled step; None where it does something that step cannot.
    """

    lifted: tuple[Any, ...]
    steps: tuple[Step, ...]
    pixels: PixelFormat
    batch_transforms: tuple[Any, ...]
    reason: str | None
    size: tuple[int, int] | None
    program: Program | None

    def canvas(self, canvas: Canvas, generator: CounterGenerator) -> Canvas:
        """``canvas`` after the lifted transforms with the random parameters of ``generator``."""
        for step in self.steps:
            canvas = step.apply(canvas, generator)
        return canvas

    def __str__(self) -> str:
        """The split, one transform per line."""
        steps = self.steps[len(self.steps) - len(self.lifted) :]
        lines = ["in coordinates, or fused into the decoder:", *_listed(self.lifted, [step.note for step in steps])]
        place = f"decoded: {self.pixels.dtype}"
        if self.pixels.mean is not None:
            place += f", normalised by mean {self.pixels.mean}, std {self.pixels.std}"
        lines.append(place + (f", {self.size[0]} x {self.size[1]} pixels" if self.size else ""))
        lines += ["on the decoded batch:", *_listed(self.batch_transforms, [""] * len(self.batch_transforms))]
        if self.reason is not None:
            lines.append(f"because {type(self.batch_transforms[0]).__name__} is not lifted: {self.reason}")
        return "\n".join(lines)


def _listed(transforms: tuple[Any, ...], notes: list[str]) -> list[str]:
    lines = [
        f"    {t!r}".replace("\n", "\n    ") + (f"  # {note}" if note else "")
        for t, note in zip(transforms, notes, strict=True)
    ]
    return lines or ["    nothing"]


def plan_of(transform: Any, frame: Frame | None = None, *, start: tuple[Step, ...] = ()) -> Plan:
    """Split ``transform``, a torchvision pipeline or None, for images that ``frame`` describes.

    Args:
        start: steps before the pipeline, such as a resize to a working size.
    """
    known = frame or Frame()
    sides = known.size or (known.shortest + 1, known.shortest + 2)
    canvas = known.canvas(torch.tensor([sides[0]] * 2), torch.tensor([sides[1]] * 2))
    generator = CounterGenerator(torch.arange(2), seed=0, epoch=0)
    canvases = [canvas]  # before each step
    for step in start:
        canvases.append(step.apply(canvases[-1], generator))
    state, steps, reason = State(), list(start), None
    transforms = [] if transform is None else flattened(transform)
    for t in transforms:
        try:
            step = lifter_of(t)(t, state)
            canvases.append(step.apply(canvases[-1], generator))
        except (NotLiftable, GeometryError) as error:
            reason = str(error)
            break
        steps.append(step)
        state = step.state or state
    count = len(steps) - len(start)
    return Plan(
        lifted=tuple(transforms[:count]),
        steps=tuple(steps),
        pixels=state.pixels,
        batch_transforms=tuple(transforms[count:]),
        reason=reason,
        size=canvases[-1].size,
        program=_program(steps, canvases),
    )


def _program(steps: list[Step], canvases: list[Canvas]) -> Program | None:
    """Of ``steps``, which make of each of ``canvases`` the next."""
    instructions: list[Instruction] = []
    for step, canvas in zip(steps, canvases[:-1], strict=True):
        given = step.instructions(canvas)
        if given is None:
            return None
        instructions += given
    return Program.of(instructions, canvases[-1])


def explain(transform: Any, frame: Frame | None = None) -> str:
    """Say what becomes of a torchvision pipeline in an `InrdLoader`: print it.

    Without ``frame`` the images are taken to differ in size.
    """
    return str(plan_of(transform, frame))


_MOVING = tuple(module.__name__ for module in (crops, flips, resizing, warps))
_CONTAINERS = (v2.RandomApply, v1.RandomApply, v2.RandomChoice, v1.RandomChoice, v2.RandomOrder, v1.RandomOrder)


def has_geometry(transform: Any) -> bool:
    """Whether a pipeline holds a transform that moves pixels, lifted or not, also as one of a random choice."""
    return any(_moves(t) for t in ([] if transform is None else flattened(transform)))


def _moves(transform: Any) -> bool:
    if isinstance(transform, _CONTAINERS):
        return any(has_geometry(t) for t in transform.transforms)
    if moves_unlifted(transform):
        return True
    return has_lifter(transform) and lifter_of(transform).__module__ in _MOVING
