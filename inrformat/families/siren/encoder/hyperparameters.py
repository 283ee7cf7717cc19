"""The network's shape and Adam's settings for a data set, where the options leave them open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.engine import AdamConfig, Shape
from inrformat.families.siren.encoder.options import SirenOptions

__all__ = ["choose_shape", "fine_tuning_adam", "first_fit_adam", "first_fit_target_mse"]

_OMEGA = 30.0
# A better fit rounded coarsely takes fewer bytes than a fit stopped at the target and rounded finely.
_FIT_BEYOND_DB = 2.0
# Points between pixels pay for networks deeper and fits longer than this (``training_points.py``); elsewhere they cost
# 0.1 to 0.4 dB at pixel centres.
_SHALLOW_LAYERS, _LONG_STEPS = 5, 1500


def choose_shape(options: SirenOptions, sample: Sequence[Image]) -> Shape:
    """As asked, or Rapid-INR's for the sample's median short side."""
    layers, width = options.hidden or _hidden_for(sample)
    return Shape((2, *[width] * layers, 3), _OMEGA)


def _hidden_for(sample: Sequence[Image]) -> tuple[int, int]:
    side_px = float(np.median([min(image.shape[:2]) for image in sample]))
    return (3, 15) if side_px <= 48 else (5, 28) if side_px <= 128 else (10, 28)


def first_fit_adam(options: SirenOptions, shape: Shape) -> AdamConfig:
    """How each image is fitted first."""
    layers = len(shape.widths) - 2
    steps = options.steps or (1500 if layers <= 3 else 2000)
    # Measured on 32 px: a short fit wants a higher rate. Deep networks fall into noise at 2e-3.
    rate = 1e-3 if layers > 3 else 3e-3 if steps < 1000 else 2e-3
    return AdamConfig(
        steps=steps,
        learning_rate=options.learning_rate or rate,
        pixels_per_step=options.pixels_per_step,
        between=layers > _SHALLOW_LAYERS and steps >= _LONG_STEPS,
        seed=options.seed,
    )


def first_fit_target_mse(options: SirenOptions) -> float | None:
    """The error at which a first fit stops; None without a PSNR target."""
    return None if options.psnr_db is None else 10 ** (-(options.psnr_db + _FIT_BEYOND_DB) / 10)


def fine_tuning_adam(options: SirenOptions, first: AdamConfig) -> AdamConfig:
    """How networks are fine-tuned after rounding and pruning; with points between pixels wherever the first fit had."""
    steps = options.fine_tune_steps if options.fine_tune_steps is not None else first.steps // 6
    return replace(first, steps=steps, learning_rate=first.learning_rate * 0.15, pixels_per_step=4096)
