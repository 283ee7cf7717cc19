"""The step that meets a target over the whole set, found by encoding much more of it than the codebook learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from inrformat.encoding.record import Image
from inrformat.families.cells.encoder.codebook import CellsCodebook
from inrformat.families.cells.encoder.engine import Engine
from inrformat.families.cells.encoder.rate_control import CLOSE_OCTAVES, MeasuredRate, RateTarget, moved_step

__all__ = ["Calibration", "calibrate", "measure"]

_PASSES = 4
_COARSER_EVERY = 4
"""One image in so many is also encoded one step scale coarser."""
_MEASURED_PIXELS = 1 << 29


class Calibration(NamedTuple):
    """A codebook with its final step, and what was measured with the step before.

    Attributes:
        step_ratio: the final step over the one that was measured.
    """

    codebook: CellsCodebook
    measured: MeasuredRate
    step_ratio: float


def calibrate(
    codebook: CellsCodebook,
    batches: Callable[[], Iterable[Sequence[Image]]],
    target: RateTarget,
    *,
    engine: Engine,
    on_batch: Callable[[], None] = lambda: None,
) -> Calibration:
    """Correct the step until it meets the target.

    Args:
        batches: gives a random part of the data set, or all of it, each time the same.
        on_batch: called after each batch.
    """
    for _ in range(_PASSES):
        measured = measure(codebook, batches(), engine=engine, on_batch=on_batch)
        octaves = target.octaves_off(measured, codebook)
        step = codebook.network.step
        codebook = codebook.with_step(moved_step(step, octaves))
        if abs(octaves) < CLOSE_OCTAVES or codebook.network.step == step:
            break
    return Calibration(codebook, measured, codebook.network.step / step)


def measure(
    codebook: CellsCodebook,
    batches: Iterable[Sequence[Image]],
    *,
    engine: Engine,
    on_batch: Callable[[], None] = lambda: None,
) -> MeasuredRate:
    """Rate and distortion of batches of images, of the first half a billion pixels at most."""
    measured = MeasuredRate()
    for images in batches:
        records = list(engine.encode(codebook, images, [0] * len(images)))
        some = range(0, len(images), _COARSER_EVERY)
        coarser = engine.encode(codebook, [images[n] for n in some], [1] * len(some))
        measured.add(records, coarser=dict(zip(some, coarser, strict=True)))
        on_batch()
        if measured.pixels >= _MEASURED_PIXELS:
            break
    return measured
