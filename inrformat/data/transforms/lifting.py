"""What it is to lift a transform, and the table of those that can be.

A lifter reads one torchvision transform object and returns a `Step`, or says in `NotLiftable` why it cannot. Steps are
added by the modules beside this one; ``plan.py`` imports them all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torchvision import transforms as v1, tv_tensors
from torchvision.transforms import InterpolationMode, v2

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.fused.operations import Instruction
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat

__all__ = [
    "Lifter",
    "NotLiftable",
    "State",
    "Step",
    "always",
    "has_lifter",
    "lifter_of",
    "lifts",
    "moves_unlifted",
    "require_bilinear",
    "setting",
]


class NotLiftable(Exception):  # noqa: N818  # says why, and never leaves this package
    """The transform has no form in coordinates that gives the same pixels."""


def _same(canvas: Canvas, _generator: CounterGenerator) -> Canvas:
    return canvas


def _in_torch_alone(_canvas: Canvas) -> None:
    return None


def always(*instructions: Instruction) -> Callable[[Canvas], tuple[Instruction, ...]]:
    """Instructions that are the same whatever the frames."""
    return lambda _canvas: instructions


@dataclass(frozen=True, slots=True)
class State:
    """What the pixels of a pipeline look like at some point of it."""

    pixels: PixelFormat = field(default_factory=PixelFormat)

    def fill(self, transform: Any) -> tuple[float, ...]:
        """The fill colour of ``transform`` for images, in [0, 1]: it is given in the units of this point."""
        given = getattr(transform, "fill", 0)
        if isinstance(given, dict):
            default = given[tv_tensors.Image] if isinstance(given, defaultdict) else None
            given = next((given[k] for k in (tv_tensors.Image, "others") if k in given), default)
        if given is None:
            given = 0
        values = tuple(float(v) for v in given) if isinstance(given, Sequence | torch.Tensor) else (float(given),)
        if self.pixels.dtype == torch.uint8:
            return tuple(v / 255 for v in values)
        if self.pixels.mean is None or self.pixels.std is None:
            return values
        values = values * len(self.pixels.mean) if len(values) == 1 else values
        return tuple(v * s + m for v, m, s in zip(values, self.pixels.mean, self.pixels.std, strict=True))


@dataclass(frozen=True, slots=True)
class Step:
    """A transform in coordinates.

    Attributes:
        apply: the canvas after it, for a canvas and the random numbers of its samples. Takes as many draws for every
            sample, whatever their values.
        state: of the pixels after it, where it changes them. note: what a reader of the plan should know of it.
        instructions: the same as ``apply`` for the compiled step, of frames like a canvas before it; None where that
            step cannot do it.
    """

    apply: Callable[[Canvas, CounterGenerator], Canvas] = _same
    state: State | None = None
    note: str = ""
    instructions: Callable[[Canvas], tuple[Instruction, ...] | None] = _in_torch_alone


_WHY_NOT = {
    **dict.fromkeys(
        (v2.RandAugment, v2.AutoAugment, v2.AugMix, v1.RandAugment, v1.AutoAugment, v1.AugMix),
        "its operations, of geometry and of pixels, follow one another",
    ),
    **dict.fromkeys(
        (v2.TrivialAugmentWide, v1.TrivialAugmentWide), "it draws geometry for some images, pixels for others"
    ),
    **dict.fromkeys((v2.FiveCrop, v2.TenCrop, v1.FiveCrop, v1.TenCrop), "it makes several images of one"),
    v2.RandomIoUCrop: "its crops depend on the boxes of each image",
}
"""Of transforms that do move pixels."""

Lifter = Callable[[Any, State], Step]
_LIFTERS: dict[type, Lifter] = {}


def lifts(*classes: type) -> Callable[[Lifter], Lifter]:
    """Enter a lifter in the table for transforms that are exactly of one of ``classes``."""

    def enter(lifter: Lifter) -> Lifter:
        _LIFTERS.update(dict.fromkeys(classes, lifter))
        return lifter

    return enter


def has_lifter(transform: Any) -> bool:
    """Whether transforms of exactly this class can be lifted, given settings that allow it."""
    return type(transform) in _LIFTERS


def moves_unlifted(transform: Any) -> bool:
    """Whether transforms of exactly this class move pixels and cannot be lifted, whatever their settings."""
    return type(transform) in _WHY_NOT


def lifter_of(transform: Any) -> Lifter:
    """The lifter of a transform.

    Raises:
        NotLiftable: there is none. A subclass is another class: what it changed cannot be known.
    """
    if type(transform) not in _LIFTERS:
        raise NotLiftable(_WHY_NOT.get(type(transform), "not a geometric transform known here"))
    return _LIFTERS[type(transform)]


def require_bilinear(transform: Any) -> None:
    """Refuse interpolations other than the one whose filter decoders have (``tools/bench/interpolation.py``)."""
    mode = transform.interpolation
    name = mode.value if isinstance(mode, InterpolationMode) else mode
    if name not in {"bilinear", 2}:
        why = ", 40 dB from what lifting gives where images shrink" if name in {"bicubic", 3} else ""
        raise NotLiftable(f"interpolation {name}{why}: pass interpolation=InterpolationMode.BILINEAR to have it lifted")
    if getattr(transform, "antialias", True) is not True and getattr(transform, "antialias", True) != "warn":
        raise NotLiftable("antialias is off: pass antialias=True to have it lifted")


def setting(value: Any) -> tuple[int, int]:
    """A size setting, an int or one or two of them, as (height, width)."""
    if isinstance(value, int):
        return value, value
    sides = [int(v) for v in value]
    return sides[0], sides[-1]
