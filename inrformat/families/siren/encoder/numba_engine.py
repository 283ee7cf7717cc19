"""The engine on the CPU: each thread fits one image after another with the compiled loop of ``numba_kernel.py``."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.encode.record import Image
from inrformat.families.siren.cpu.mlp import TILE_PIXELS
from inrformat.families.siren.encoder.engine import AdamConfig, Fit, Initialization, OnFit, Shape, ignore_fits
from inrformat.families.siren.encoder.numba_kernel import MSE_UNKNOWN, fit_image, workspace_size
from inrformat.families.siren.encoder.training_points import pixel_order, shuffled_colours
from inrformat.families.siren.padding import PaddedLayout

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
        layout = PaddedLayout.of(shape.widths)
        scratch = threading.local()

        def one(i: int) -> None:
            if not hasattr(scratch, "floats"):
                scratch.floats = np.empty(workspace_size(layout.widths), np.float32)
            self._fit_one(
                shape, images[i], initialization, adam, i, layout=layout, workspace=scratch.floats, result=result
            )
            on_fit(1.0)

        if self._threads == 1 or count == 1:
            for i in range(count):
                one(i)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                for _ in pool.map(one, range(count)):
                    pass
        return result

    @staticmethod
    def _fit_one(
        shape: Shape,
        image: Image,
        initialization: Initialization,
        adam: AdamConfig,
        i: int,
        *,
        layout: PaddedLayout,
        workspace: NDArray[np.float32],
        result: Fit,
    ) -> None:
        order = pixel_order(image.shape[0], image.shape[1], adam)
        blocks = max(round(order.pixels / adam.pixels_per_step), 1)
        target = 0.0 if initialization.target_mse is None else float(initialization.target_mse[i])
        quantization_steps = (
            np.zeros_like(initialization.origin)
            if initialization.quantization_steps is None
            else initialization.quantization_steps[i]
        )
        mask = np.ones_like(initialization.origin) if initialization.mask is None else initialization.mask[i]
        best = np.zeros(layout.size, np.float32)
        mse, steps = fit_image(
            layout.pad(initialization.differences[i]),
            layout.pad(initialization.origin),
            layout.pad(quantization_steps),
            layout.pad(mask),
            layout.widths,
            np.float32(shape.omega),
            _rows(order.xy, int(layout.widths[0])),
            _rows(shuffled_colours(image, order), int(layout.widths[-1])),
            image.shape[2],
            order.pixels,
            order.point_grids,
            blocks,
            adam.steps,
            adam.learning_rate,
            adam.floor,
            target,
            max(adam.steps // _EVALUATIONS, 1),
            workspace,
            best,
        )
        finite = mse < MSE_UNKNOWN
        result.differences[i] = layout.unpad(best)
        result.mse[i] = mse if finite else math.inf
        result.steps[i] = steps
        result.diverged[i] = not finite or (steps < adam.steps and mse > target)


def _rows(values: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """Pad with zero rows, and with a tile of columns that the kernel may read but does not count."""
    padded = np.zeros((rows, values.shape[1] + TILE_PIXELS), np.float32)
    padded[: len(values), : values.shape[1]] = values
    return padded
