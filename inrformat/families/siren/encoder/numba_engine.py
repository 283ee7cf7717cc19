"""The CPU engine: each thread fits one image after another with the compiled loop of ``kernel.py``."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.cpu.mlp import TILE_PIXELS
from inrformat.families.siren.encoder.engine import AdamConfig, Fit, Shape, Start
from inrformat.families.siren.encoder.numba_kernel import MSE_UNKNOWN, fit_image, workspace_size
from inrformat.families.siren.encoder.training_points import pixel_order, shuffled_colours
from inrformat.families.siren.padding import PaddedLayout

__all__ = ["CpuEngine"]

_EVALUATIONS = 20


class CpuEngine:
    """As many images at once as torch is allowed threads; a finished image's thread takes the next one."""

    def __init__(self, *, threads: int | None = None, progress: Callable[[float], None] = lambda _fits: None) -> None:
        """Args: threads: None means torch's own setting. progress: called with each finished fit."""
        self._threads = torch.get_num_threads() if threads is None else threads
        self._progress = progress

    def fit(self, shape: Shape, images: Sequence[Image], start: Start, tuning: AdamConfig) -> Fit:
        """See ``Engine.fit``."""
        count, parameters = start.differences.shape
        result = Fit(
            np.empty((count, parameters), np.float32), np.empty(count), np.zeros(count, np.int64), np.zeros(count, bool)
        )
        layout = PaddedLayout.of(shape.widths)
        scratch = threading.local()

        def one(i: int) -> None:
            if not hasattr(scratch, "floats"):
                scratch.floats = np.empty(workspace_size(layout.widths), np.float32)
            self._fit_one(shape, images[i], start, tuning, i, layout=layout, workspace=scratch.floats, result=result)
            self._progress(1.0)

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
        shape: Shape, image: Image, start: Start, tuning: AdamConfig, i: int, *,
        layout: PaddedLayout, workspace: NDArray[np.float32], result: Fit,
    ) -> None:  # fmt: skip
        order = pixel_order(image.shape[0], image.shape[1], tuning)
        blocks = max(round(order.pixels / tuning.pixels_per_step), 1)
        target = 0.0 if start.target_mse is None else float(start.target_mse[i])
        quantum = np.zeros_like(start.origin) if start.quantum is None else start.quantum[i]
        mask = np.ones_like(start.origin) if start.mask is None else start.mask[i]
        best = np.zeros(layout.size, np.float32)
        mse, steps = fit_image(
            layout.pad(start.differences[i]), layout.pad(start.origin), layout.pad(quantum), layout.pad(mask),
            layout.widths, np.float32(shape.omega),
            _rows(order.xy, int(layout.widths[0])), _rows(shuffled_colours(image, order), int(layout.widths[-1])),
            image.shape[2], order.pixels, order.lattices, blocks, tuning.steps, tuning.learning_rate, tuning.floor,
            target, max(tuning.steps // _EVALUATIONS, 1), workspace, best,
        )  # fmt: skip
        finite = mse < MSE_UNKNOWN
        result.differences[i] = layout.unpad(best)
        result.mse[i] = mse if finite else math.inf
        result.steps[i] = steps
        result.diverged[i] = not finite or (steps < tuning.steps and mse > target)


def _rows(values: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """Pad with zero rows, and with a tile of columns that the kernel may read but does not count."""
    padded = np.zeros((rows, values.shape[1] + TILE_PIXELS), np.float32)
    padded[: len(values), : values.shape[1]] = values
    return padded
