"""Transforms applied to some samples, or picked from several, in coordinates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.lifting import NotLiftable, State, Step, lifter_of, lifts
from inrformat.data.transforms.presets import expanded
from inrformat.decoding.canvas import Canvas

__all__ = ["flattened"]

_SEQUENCES = (v2.Compose, v1.Compose, torch.nn.Sequential)


def flattened(transform: Any) -> list[Any]:
    """The transforms of a pipeline one after the other, those of pipelines and presets inside it among them."""
    steps = expanded(transform)
    if steps is not None:
        return steps
    if type(transform) in _SEQUENCES:
        inner: Iterable[Any] = transform if isinstance(transform, torch.nn.Sequential) else transform.transforms
        return [t for part in inner for t in flattened(part)]
    if isinstance(transform, list | tuple):
        return [t for part in transform for t in flattened(part)]
    return [transform]


def _chained(transform: Any, state: State) -> Step:
    """One step for a whole sub-pipeline, all of whose transforms must be geometric."""
    steps = [lifter_of(t)(t, state) for t in flattened(transform)]
    if any(step.state is not None for step in steps):
        raise NotLiftable("it changes the form of some samples' pixels")

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        for step in steps:
            canvas = step.apply(canvas, generator)
        return canvas

    return Step(apply, note="; ".join(dict.fromkeys(step.note for step in steps if step.note)))


@lifts(v2.RandomApply, v1.RandomApply)
def _random_apply(transform: Any, state: State) -> Step:
    inner = _chained(list(transform.transforms), state)

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        chosen = generator.chance(transform.p)
        return _picked(chosen, inner.apply(canvas, generator), canvas)

    return Step(apply, note=inner.note)


@lifts(v2.RandomChoice, v1.RandomChoice)
def _random_choice(transform: Any, state: State) -> Step:
    ways = [_chained(t, state) for t in transform.transforms]
    weights = transform.p if transform.p is not None else [1.0] * len(ways)
    stops = [s / sum(weights) for s in accumulate(weights)]

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        at = generator.uniform()
        result = ways[-1].apply(canvas, generator)
        # From the last to the first: the first whose share reaches the number drawn wins.
        for way, stop in zip(reversed(ways[:-1]), reversed(stops[:-1]), strict=True):
            result = _picked(at < stop, way.apply(canvas, generator), result)
        return result

    return Step(apply, note="; ".join(dict.fromkeys(way.note for way in ways if way.note)))


def _picked(mask: Tensor, one: Canvas, other: Canvas) -> Canvas:
    """`Canvas.where`, also where only one of the two is displaced: the other is displaced by nothing."""
    moving = one.displacement if one.displacement is not None else other.displacement
    if moving is not None:
        still = torch.zeros_like(moving)
        one, other = (
            replace(c, displacement=still, aligned=False) if c.displacement is None else c for c in (one, other)
        )
    return one.where(mask, other)
