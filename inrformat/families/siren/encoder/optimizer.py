"""Fits of networks of one shape with one configuration of Adam: the first fit, or fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.engine import AdamConfig, Engine, Fit, Initialization, OnFit, Shape, ignore_fits

__all__ = ["Optimizer"]


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An engine, the shape of the networks it fits, and how it fits them."""

    engine: Engine
    shape: Shape
    adam: AdamConfig

    def fit(self, images: Sequence[Image], initialization: Initialization, *, on_fit: OnFit = ignore_fits) -> Fit:
        """See ``Engine.fit``."""
        return self.engine.fit(self.shape, images, initialization, self.adam, on_fit=on_fit)

    def measure(self, images: Sequence[Image], initialization: Initialization) -> NDArray[np.float64]:
        """Mean squared error of each network as it is: float64 ``(B,)``, as in ``Fit.mse``."""
        return self.with_steps(0).fit(images, initialization).mse

    def with_steps(self, steps: int) -> Optimizer:
        """The same for so many steps."""
        return replace(self, adam=replace(self.adam, steps=steps))

    def with_learning_rate(self, learning_rate: float) -> Optimizer:
        """The same from another learning rate on."""
        return replace(self, adam=replace(self.adam, learning_rate=learning_rate))
