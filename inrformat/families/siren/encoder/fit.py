"""First fits with a safety net: one that diverges is repeated more gently, and ends at worst as a constant image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.descriptor import layer_slices
from inrformat.families.siren.encoder.batches import FittedBatch
from inrformat.families.siren.encoder.engine import Fit, OnFit, Shape, ignore_fits
from inrformat.families.siren.encoder.gauss_newton import gauss_newton_diagonal
from inrformat.families.siren.encoder.initialization import Origin
from inrformat.families.siren.encoder.optimizer import Optimizer

__all__ = ["FirstFit"]

_GENTLER = (1 / 4, 1 / 16)
_DETAIL_MSE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFit:
    """How each image is fitted first.

    Attributes:
        optimizer: that fits. origin: where fits start. target_mse: a fit stops when it is reached; None: never.
        on_fit: hears of finished fits, those that have to be repeated included.
    """

    optimizer: Optimizer
    origin: Origin
    target_mse: float | None = None
    on_fit: OnFit = ignore_fits

    def fit(self, images: Sequence[Image]) -> FittedBatch:
        """Fit a network to every image.

        ``diverged`` marks images that no learning rate could fit better than a constant colour does, and that are not
        of one colour, more or less, anyway.
        """
        constant_mse = np.array([float(np.mean(image.var(axis=(0, 1)))) / 255**2 for image in images])
        fit = self._fit_from_origin(images, self.optimizer)
        for gentler in _GENTLER:
            failed = np.flatnonzero(_failed(fit, constant_mse))
            if not len(failed):
                break
            gentle = self.optimizer.with_learning_rate(self.optimizer.adam.learning_rate * gentler)
            _improve(fit, failed, self._fit_from_origin([images[i] for i in failed.tolist()], gentle))
        shape, origin = self.optimizer.shape, self.origin.parameters
        failed = np.flatnonzero(_failed(fit, constant_mse))
        for i in failed.tolist():
            fit.differences[i] = _constant(shape, images[i]) - origin
            fit.mse[i] = constant_mse[i]
        return FittedBatch(
            images=images,
            origin=origin,
            differences=fit.differences,
            mse=fit.mse,
            gauss_newton_diagonal=gauss_newton_diagonal(shape, origin + fit.differences),
            steps=fit.steps,
            diverged=np.isin(np.arange(len(images)), failed) & (constant_mse > _DETAIL_MSE),
        )

    def _fit_from_origin(self, images: Sequence[Image], optimizer: Optimizer) -> Fit:
        start = self.origin.initialization(len(images), target_mse=self.target_mse)
        return optimizer.fit(images, start, on_fit=self.on_fit)


def _failed(fit: Fit, constant_mse: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether the image's mean colour alone would be better than the fit: bool ``(B,)``."""
    return ~np.isfinite(fit.mse) | (fit.mse > constant_mse + _DETAIL_MSE)


def _improve(fit: Fit, rows: NDArray[np.int64], again: Fit) -> None:
    """Put fits that were repeated in the place of ``rows``, where they are better."""
    better = np.flatnonzero(again.mse < fit.mse[rows])
    rows = rows[better]
    fit.differences[rows] = again.differences[better]
    fit.mse[rows] = again.mse[better]
    fit.steps[rows] += again.steps[better]


def _constant(shape: Shape, image: Image) -> NDArray[np.float32]:
    """The network whose every pixel is the image's mean colour: float32 ``(P,)``."""
    _, bias = layer_slices(shape.widths)[-1]
    values = np.zeros(bias.stop, np.float32)
    values[bias] = 2 * (image.mean(axis=(0, 1)) / 255 - 0.5)
    return values
