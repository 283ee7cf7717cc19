"""The engine on the CPU: each thread fits one image after another with the compiled loop of ``numba_kernel.py``."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.adam_schedule import adam_schedule
from inrformat.families.siren.encoder.engine import AdamConfig, Fit, Initialization, OnFit, Shape, ignore_fits
from inrformat.families.siren.encoder.exact_mlp import PaddedShape, workspace
from inrformat.families.siren.encoder.lanes import TILE_PIXELS
from inrformat.families.siren.encoder.numba_kernel import (
    MSE_UNKNOWN,
    AdamPlan,
    PaddedInitialization,
    TrainingPoints,
    fit_image,
)
from inrformat.families.siren.encoder.training_points import pixel_order, shuffled_colours
from inrformat.families.siren.padding import PaddedParameters

__all__ = ["NumbaEngine"]

_EVALUATIONS = 20


class NumbaEngine:
    """As many images at once as torch is allowed threads; a finished image's thread takes the next one."""

    def __init__(self, *, threads: int | None = None) -> None:
        """Args: threads: None means torch's own setting."""
        self._threads = torch.get_num_threads() if threads is None else threads

    def fit(
        self,
        shape: Shape,
        images: Sequence[Image],
        initialization: Initialization,
        adam: AdamConfig,
        *,
        on_fit: OnFit = ignore_fits,
    ) -> Fit:
        """See ``Engine.fit``."""
        count, parameters = initialization.differences.shape
        result = Fit(
            np.empty((count, parameters), np.float32), np.empty(count), np.zeros(count, np.int64), np.zeros(count, bool)
        )
        padding = PaddedParameters.of(shape.widths)
        padded_shape = PaddedShape(padding.widths, np.float32(shape.omega), shape.widths[-1])
        scratch = threading.local()

        def fit_one(i: int) -> None:
            if not hasattr(scratch, "workspace"):
                scratch.workspace = workspace(padded_shape)
            start = _padded(initialization, i, padding)
            points = _points(images[i], adam, padding)
            plan = _plan(adam, points.pixels, initialization.target_mse, i)
            best, mse, steps = fit_image(padded_shape, start, points, plan, scratch.workspace)
            finite = mse < MSE_UNKNOWN
            result.differences[i] = padding.unpad(best)
            result.mse[i] = mse if finite else math.inf
            result.steps[i] = steps
            result.diverged[i] = not finite or (steps < adam.steps and mse > plan.target_mse)
            on_fit(1.0)

        if self._threads == 1 or count == 1:
            for i in range(count):
                fit_one(i)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                for _ in pool.map(fit_one, range(count)):
                    pass
        return result


def _padded(initialization: Initialization, i: int, padding: PaddedParameters) -> PaddedInitialization:
    """Network ``i`` of a batch."""
    origin, mask = initialization.origin, initialization.mask
    quantization_steps = initialization.quantization_steps
    return PaddedInitialization(
        latent=padding.pad(initialization.differences[i]),
        origin=padding.pad(origin),
        quantization_steps=padding.pad(np.zeros_like(origin) if quantization_steps is None else quantization_steps[i]),
        mask=padding.pad(np.ones_like(origin) if mask is None else mask[i]),
    )


def _points(image: Image, adam: AdamConfig, padding: PaddedParameters) -> TrainingPoints:
    order = pixel_order(image.shape[0], image.shape[1], adam)
    return TrainingPoints(
        xy=_rows(order.xy, int(padding.widths[0])),
        colours=_rows(shuffled_colours(image, order), int(padding.widths[-1])),
        pixels=order.pixels,
        point_grids=order.point_grids,
    )


def _plan(adam: AdamConfig, pixels: int, target_mse: NDArray[np.float64] | None, i: int) -> AdamPlan:
    """For image ``i`` of a batch, which has so many ``pixels``."""
    schedule = adam_schedule(adam)
    return AdamPlan(
        rates=schedule.rates,
        corrections=schedule.corrections,
        blocks=max(round(pixels / adam.pixels_per_step), 1),
        every=max(adam.steps // _EVALUATIONS, 1),
        target_mse=0.0 if target_mse is None else float(target_mse[i]),
    )


def _rows(values: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """Pad with zero rows, and with a tile of columns that the kernel may read but does not count."""
    padded = np.zeros((rows, values.shape[1] + TILE_PIXELS), np.float32)
    padded[: len(values), : values.shape[1]] = values
    return padded
