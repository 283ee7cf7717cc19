"""What a fitting engine is given, what it gives back, and what it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inrformat.encoding.record import Image

__all__ = ["AdamConfig", "Engine", "Fit", "Initialization", "OnFit", "Shape", "ignore_fits"]

OnFit = Callable[[float], None]
"""Is called with the number of fits finished since its last call, from any thread."""


def ignore_fits(_fits: float) -> None:
    """For whoever does not want to hear of finished fits."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Widths of a network, inputs and outputs included, and its frequency factor."""

    widths: tuple[int, ...]
    omega: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamConfig:
    """How Adam runs.

    Attributes:
        steps: at most. learning_rate: at the start. floor: of the cosine decay, as a fraction of it.
        pixels_per_step: images with more pixels show a different part of them in each step.
        between: most of those steps look at points between the pixels, see ``training_points.py``.
        seed: of the pixels' order.
    """

    steps: int
    learning_rate: float
    floor: float = 0.0
    pixels_per_step: int = 1 << 14
    between: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Initialization:
    """Where the fit of each network of a batch starts, and what binds it.

    Attributes:
        origin: float32 ``(P,)``; networks are differences to it.
        differences: float32 ``(B, P)``, at the start.
        quantization_steps: float32 ``(B, P)``: differences are rounded to multiples of it where it is positive, and the
            gradient passes the rounding straight through; None rounds nothing.
        mask: bool ``(B, P)``: False where the difference is pruned to zero; None prunes nothing.
        target_mse: float64 ``(B,)``: a network stops when it is reached; None runs all steps.
    """

    origin: NDArray[np.float32]
    differences: NDArray[np.float32]
    quantization_steps: NDArray[np.float32] | None = None
    mask: NDArray[np.bool_] | None = None
    target_mse: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The best network seen of each image.

    Attributes:
        differences: float32 ``(B, P)`` to the origin, rounded as asked.
        mse: float64 ``(B,)``, over all pixels and channels, colours in [0, 1], not clamped.
        steps: int64 ``(B,)``, taken. diverged: bool ``(B,)``, the fit met a loss that is not finite and stopped there.
    """

    differences: NDArray[np.float32]
    mse: NDArray[np.float64]
    steps: NDArray[np.int64]
    diverged: NDArray[np.bool_]

    def psnr_db(self) -> NDArray[np.float64]:
        """Of the unrounded, unclamped colours: a little below what the decoded image will have."""
        return -10 * np.log10(np.maximum(self.mse, 1e-10))


class Engine(Protocol):
    """Fits one network to each image; images may have different sizes."""

    def fit(
        self,
        shape: Shape,
        images: Sequence[Image],
        initialization: Initialization,
        adam: AdamConfig,
        *,
        on_fit: OnFit = ignore_fits,
    ) -> Fit:
        """Run Adam; with ``adam.steps`` 0 this only measures the error."""
