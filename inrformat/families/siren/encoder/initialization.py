"""Where networks start: the SIREN initialisation, and a base network learned from a sample of the data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.descriptor import layer_slices
from inrformat.families.siren.encoder.engine import AdamConfig, Engine, Shape, Start

__all__ = ["initial_parameters", "learn_base"]

_ROUNDS, _FEWEST_ROUNDS, _IMAGES_PER_ROUND, _STEPS_PER_ROUND = 40, 16, 12, 100


def initial_parameters(shape: Shape, *, seed: int) -> NDArray[np.float32]:
    """SIREN initialisation (Sitzmann et al. 2020, section 3.2): float32 ``(P,)``."""
    rng = np.random.default_rng(seed)
    slices = layer_slices(shape.widths)
    values = np.empty(slices[-1][1].stop, np.float32)
    for number, ((weights, biases), inputs) in enumerate(zip(slices, shape.widths, strict=False)):
        bound = 1 / inputs if number == 0 else math.sqrt(6 / inputs) / shape.omega
        values[weights] = rng.uniform(-bound, bound, weights.stop - weights.start)
        values[biases] = rng.uniform(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), biases.stop - biases.start)
    return values


def learn_base(engine: Engine, shape: Shape, sample: Sequence[Image], tuning: AdamConfig) -> NDArray[np.float32]:
    """A network from which the images of the data set are few steps, and small differences, away: float32 ``(P,)``.

    Reptile (Nichol et al. 2018, arXiv 1803.02999): fit a few images from the base for a few steps, move the base
    towards the mean of where they ended, repeat. The result is representable in float16, as it is stored.
    """
    base = initial_parameters(shape, seed=tuning.seed)
    rng = np.random.default_rng(tuning.seed)
    inner = replace(tuning, steps=min(_STEPS_PER_ROUND, tuning.steps), floor=1.0, between=False)
    count = min(_IMAGES_PER_ROUND, len(sample))
    # No more than about twice the work of fitting the sample itself.
    affordable = 2 * len(sample) * tuning.steps // (count * inner.steps)
    rounds = min(max(affordable, _FEWEST_ROUNDS), _ROUNDS)
    for number in range(rounds):
        chosen = [sample[i] for i in rng.choice(len(sample), count, replace=False)]
        start = Start(origin=base, differences=np.zeros((count, len(base)), np.float32))
        fit = engine.fit(shape, chosen, start, inner)
        pull = 0.5 * (1 - number / (1.5 * rounds))
        if np.isfinite(fit.mse).all():
            base = base + np.float32(pull) * fit.differences.mean(0)
    return base.astype(np.float16).astype(np.float32)
