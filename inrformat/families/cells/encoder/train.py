"""A codebook for a set: learned from a sample of it, then matched to what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.cells.encoder.codebook import CellsCodebook
from inrformat.families.cells.encoder.colours import colour_basis
from inrformat.families.cells.encoder.engine import on_threads
from inrformat.families.cells.encoder.fit import Fit, fit
from inrformat.families.cells.encoder.initialization import ClassCounts
from inrformat.families.cells.encoder.learn import learn_model, refine_model
from inrformat.families.cells.encoder.model import Model, to_codebook
from inrformat.families.cells.encoder.numba_engine import encode_fit
from inrformat.families.cells.encoder.rate_control import CLOSE_OCTAVES, MeasuredRate, RateTarget, moved_step

__all__ = ["RETARGETS", "Learned", "Sample", "images_to_check", "learn_codebook", "pixels_of", "retarget"]

_ROUNDS, _ROUNDS_AFTER_RETARGET = 8, 3
RETARGETS = 5
"""How often a step is corrected on the sample, at most."""
_LEARNED_PIXELS, _CHECKED_PIXELS = 6 << 20, 2 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Images that a codebook is learned from.

    Attributes:
        images: uint8 ``(H, W, C)`` each. colour: float32 ``(C, C)``, of ``colour_basis``. fits: of the images.
    """

    images: list[Image]
    colour: NDArray[np.float32]
    fits: list[Fit]

    @classmethod
    def of(cls, images: Sequence[Image], *, threads: int) -> Self:
        """The first images that together have at most six million pixels."""
        chosen = _within(images, _LEARNED_PIXELS)
        colour = colour_basis(chosen)
        return cls(chosen, colour, list(on_threads(lambda image: fit(image, colour), chosen, threads=threads)))


class Learned(NamedTuple):
    """What was learned for a quantization step, and the codebook of it. The codebook's step is rounded to float32."""

    step: float
    model: Model
    codebook: CellsCodebook


def learn_codebook(
    sample: Sample,
    step: float,
    *,
    scale_spread: float,
    threads: int,
    on_round: Callable[[], None] = lambda: None,
) -> Learned:
    """Learn classes and tables for a step.

    Args:
        scale_spread: how far the step scales of records will stray from 0, typically.
        on_round: called after each round of training.
    """
    counts = ClassCounts.suited(pixels_of(sample.images))
    model = learn_model(sample.fits, step, counts, rounds=_ROUNDS, threads=threads, on_round=on_round)
    return _learned(model, sample, step, scale_spread)


def retarget(
    learned: Learned,
    sample: Sample,
    target: RateTarget,
    *,
    scale_spread: float,
    threads: int,
    on_round: Callable[[], None] = lambda: None,
) -> Learned:
    """Correct the step until the sample meets a target, learning further for each new step."""
    checked = [_Fitted(*pair) for pair in zip(images_to_check(sample.images), sample.fits, strict=False)]
    for _ in range(RETARGETS):
        measured = _measure(learned.codebook, checked, threads=threads)
        octaves = target.octaves_off(measured, learned.codebook)
        if abs(octaves) < CLOSE_OCTAVES:
            break
        step = moved_step(learned.step, octaves)
        rounds = _ROUNDS_AFTER_RETARGET
        model = refine_model(learned.model, sample.fits, step, rounds=rounds, threads=threads, on_round=on_round)
        learned = _learned(model, sample, step, scale_spread)
    return learned


class _Fitted(NamedTuple):
    """An image and its fit."""

    image: Image
    fit: Fit


def _measure(codebook: CellsCodebook, fitted: Sequence[_Fitted], *, threads: int) -> MeasuredRate:
    """Rate and distortion of images at step scale 0."""
    records = on_threads(lambda one: encode_fit(codebook, one.fit, one.image, scale=0), fitted, threads=threads)
    measured = MeasuredRate()
    measured.add(list(records), coarser={})
    return measured


def _learned(model: Model, sample: Sample, step: float, scale_spread: float) -> Learned:
    pyramids = [f.pyramid for f in sample.fits]
    codebook = to_codebook(model, pyramids, step, sample.colour, scale_spread=scale_spread)
    return Learned(step, model, CellsCodebook.of(codebook))


def images_to_check(sample: Sequence[Image]) -> list[Image]:
    """The first images of a sample, enough to see what a step leads to."""
    return _within(sample, _CHECKED_PIXELS)


def pixels_of(images: Sequence[Image]) -> int:
    """Pixels of all images together."""
    return sum(i.shape[0] * i.shape[1] for i in images)


def _within(images: Sequence[Image], pixels: int) -> list[Image]:
    """The first images that together have at most so many pixels; at least one."""
    totals = np.cumsum([i.shape[0] * i.shape[1] for i in images])
    return list(images[: max(int(np.searchsorted(totals, pixels, side="right")), 1)])
