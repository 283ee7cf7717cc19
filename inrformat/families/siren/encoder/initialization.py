"""Where fits start: the SIREN initialization, or a base network learned from a sample of the data set."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.descriptor import layer_slices
from inrformat.families.siren.encoder.engine import Initialization, Shape
from inrformat.families.siren.encoder.optimizer import Optimizer

__all__ = ["Origin", "choose_origin", "initial_parameters", "learn_base"]

# Measured at 28 dB, 32 px, codebook counted (siren_encode_cifar.json): with 8 images the base breaks even, with 12 it
# saves 5 % of the bytes, with 24 a fifth.
_BASE_FROM_IMAGES = 12
_ROUNDS, _FEWEST_ROUNDS, _IMAGES_PER_ROUND, _STEPS_PER_ROUND = 40, 16, 12, 100


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """What all networks of a data set are differences to.

    Attributes:
        parameters: float32 ``(P,)``, the learned base or zeros. first: float32 ``(P,)``, the difference from which
            every fit starts. learned: whether it is a base.
    """

    parameters: NDArray[np.float32]
    first: NDArray[np.float32]
    learned: bool

    @property
    def base(self) -> NDArray[np.float32] | None:
        """The base that the codebook holds, None where nothing was learned."""
        return self.parameters if self.learned else None

    def to_map(self) -> dict[str, Any]:
        """Plain types, exactly."""
        return {
            "parameters": self.parameters.astype("<f4").tobytes(),
            "first": self.first.astype("<f4").tobytes(),
            "learned": self.learned,
        }

    @classmethod
    def from_map(cls, stored: Mapping[str, Any]) -> Self:
        """Undo `to_map`."""
        parameters, first = (np.frombuffer(stored[name], "<f4").astype(np.float32) for name in ("parameters", "first"))
        return cls(parameters, first, stored["learned"])

    def initialization(self, count: int, *, target_mse: float | None = None) -> Initialization:
        """The first fits of ``count`` images start here."""
        return Initialization(
            origin=self.parameters,
            differences=np.repeat(self.first[None], count, axis=0),
            target_mse=None if target_mse is None else np.full(count, target_mse),
        )


def choose_origin(optimizer: Optimizer, sample: Sequence[Image], *, shared_base: bool | None) -> Origin:
    """A base learned from the sample, or zeros and one common SIREN initialization for all images.

    Args:
        shared_base: whether to learn one; None: where enough images share it.
    """
    if len(sample) >= _BASE_FROM_IMAGES if shared_base is None else shared_base:
        base = learn_base(optimizer, sample)
        return Origin(base, np.zeros_like(base), learned=True)
    initial = initial_parameters(optimizer.shape, seed=optimizer.adam.seed)
    return Origin(np.zeros_like(initial), initial, learned=False)


def initial_parameters(shape: Shape, *, seed: int) -> NDArray[np.float32]:
    """SIREN initialization (Sitzmann et al. 2020, section 3.2): float32 ``(P,)``."""
    rng = np.random.default_rng(seed)
    slices = layer_slices(shape.widths)
    values = np.empty(slices[-1][1].stop, np.float32)
    for number, ((weights, biases), inputs) in enumerate(zip(slices, shape.widths, strict=False)):
        bound = 1 / inputs if number == 0 else math.sqrt(6 / inputs) / shape.omega
        values[weights] = rng.uniform(-bound, bound, weights.stop - weights.start)
        values[biases] = rng.uniform(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), biases.stop - biases.start)
    return values


def learn_base(optimizer: Optimizer, sample: Sequence[Image]) -> NDArray[np.float32]:
    """A network from which the images of the data set are few steps, and small differences, away: float32 ``(P,)``.

    Reptile (Nichol et al. 2018, arXiv 1803.02999): fit a few images from the base for a few steps, move the base
    towards the mean of where they ended, repeat. The result is representable in float16, as it is stored.

    Args:
        optimizer: of the first fits that will start from the base.
    """
    adam = optimizer.adam
    base = initial_parameters(optimizer.shape, seed=adam.seed)
    rng = np.random.default_rng(adam.seed)
    inner_adam = replace(adam, steps=min(_STEPS_PER_ROUND, adam.steps), floor=1.0, between=False)
    inner = replace(optimizer, adam=inner_adam)
    count = min(_IMAGES_PER_ROUND, len(sample))
    # No more than about twice the work of fitting the sample itself.
    affordable = 2 * len(sample) * adam.steps // (count * inner_adam.steps)
    rounds = min(max(affordable, _FEWEST_ROUNDS), _ROUNDS)
    for number in range(rounds):
        chosen = [sample[i] for i in rng.choice(len(sample), count, replace=False)]
        at_base = Initialization(origin=base, differences=np.zeros((count, len(base)), np.float32))
        fit = inner.fit(chosen, at_base)
        pull = 0.5 * (1 - number / (1.5 * rounds))
        if np.isfinite(fit.mse).all():
            base = base + np.float32(pull) * fit.differences.mean(0)
    return base.astype(np.float16).astype(np.float32)
