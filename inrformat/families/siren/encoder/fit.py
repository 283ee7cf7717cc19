"""Fitting with a safety net: a fit that diverges is repeated more gently, and ends at worst as a constant image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.descriptor import layer_slices
from inrformat.families.siren.encoder.engine import AdamConfig, Engine, Fit, Shape, Start

__all__ = ["fit_from", "take"]

_GENTLER = (1 / 4, 1 / 16)
_DETAIL = 1e-4


def fit_from(
    engine: Engine, shape: Shape, images: Sequence[Image], origin: NDArray[np.float32],
    *,
    first: NDArray[np.float32], tuning: AdamConfig, target_mse: float | None,
) -> Fit:  # fmt: skip
    """Fit every image from the difference ``first (P,)`` to ``origin (P,)``.

    ``diverged`` marks images that no learning rate could fit better than a constant colour does, and that are not of
    one colour, more or less, anyway.
    """
    start = Start(
        origin=origin,
        differences=np.repeat(first[None], len(images), axis=0),
        target_mse=None if target_mse is None else np.full(len(images), target_mse),
    )
    fit = engine.fit(shape, images, start, tuning)
    constants = np.array([float(np.mean(image.var(axis=(0, 1)))) / 255**2 for image in images])
    for gentler in _GENTLER:
        failed = np.flatnonzero(~np.isfinite(fit.mse) | (fit.mse > constants + _DETAIL))
        if not len(failed):
            break
        again = engine.fit(
            shape, [images[i] for i in failed.tolist()], take(start, failed),
            replace(tuning, learning_rate=tuning.learning_rate * gentler),
        )  # fmt: skip
        better = again.mse < fit.mse[failed]
        _put(fit, failed[better], again, np.flatnonzero(better))
    flat = ~np.isfinite(fit.mse) | (fit.mse > constants + _DETAIL)
    fit.diverged[:] = flat & (constants > _DETAIL)
    for i in np.flatnonzero(flat).tolist():
        fit.differences[i] = _constant(shape, images[i]) - origin
        fit.mse[i] = constants[i]
    return fit


def _constant(shape: Shape, image: Image) -> NDArray[np.float32]:
    """The network whose every pixel is the image's mean colour: float32 ``(P,)``."""
    _, bias = layer_slices(shape.widths)[-1]
    values = np.zeros(bias.stop, np.float32)
    values[bias] = 2 * (image.mean(axis=(0, 1)) / 255 - 0.5)
    return values


def take(start: Start, rows: NDArray[np.int64]) -> Start:
    """The part of a batch's start that belongs to ``rows``."""
    return Start(
        origin=start.origin,
        differences=start.differences[rows],
        quantum=None if start.quantum is None else start.quantum[rows],
        mask=None if start.mask is None else start.mask[rows],
        target_mse=None if start.target_mse is None else start.target_mse[rows],
    )


def _put(into: Fit, rows: NDArray[np.int64], source: Fit, source_rows: NDArray[np.int64]) -> None:
    into.differences[rows] = source.differences[source_rows]
    into.mse[rows] = source.mse[source_rows]
    into.steps[rows] += source.steps[source_rows]
