"""What a conversion to SIRENs can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from inrformat.errors import UsageError

__all__ = ["PRESETS", "Pruning", "SirenOptions"]


class Pruning(StrEnum):
    """How weights are pruned (their difference to the base set to zero)."""

    AUTO = "auto"  # where a record shrinks at no loss of quality, tried on the sample and then on each image
    NONE = "none"
    RATIO = "ratio"  # the same share of every image's weights, in rounds (the paper's iterative pruning)
    DYNAMIC = "dynamic"  # as far as each image's quality budget allows (the paper's dynamic pruning)


PRESETS: dict[str, tuple[int, int]] = {
    "paper-cifar": (3, 15),
    "paper-224-small": (5, 28),
    "paper-224": (10, 28),
    "paper-224-large": (10, 40),
}
"""Shapes of Rapid-INR (arXiv 2306.16699): hidden layers and width of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SirenOptions:
    """What to fit, how long, and what for. At most one of the targets ``psnr_db`` and ``bytes_per_image`` is given.

    Attributes:
        hidden: (hidden layers, width of each), or None to choose by image size: 3x15 up to 48 px, 5x28 up to 128 px,
            10x28 beyond. steps: of Adam for each image; None: 1500 up to 48 px, 2000 beyond.
        learning_rate: of Adam at the start; None: 2e-3 for 3 hidden layers or fewer (3e-3 below 1000 steps), else 1e-3.
        pixels_per_step: images with more pixels show another part of them in every step.
        psnr_db: each image gets the coarsest steps that reach it. bytes_per_image: the finest that fit it.
        max_drop_db: without a target, what quantization with fine-tuning may cost; twice that for any one image.
        shared_base: networks are differences to one learned from the sample; None: if there are 12 images or more.
        fine_tune_steps: straight-through steps after rounding; None: a sixth of ``steps``.
        pruning: see ``Pruning``. prune_ratio: share of weights, for ``RATIO``. prune_drop_db: budget, for ``DYNAMIC``.
        prune_rounds: pruning and fine-tuning alternate this often. prune_by: "sensitivity" or "magnitude".
        prune_scope: "global", or "layer" for the same share of each group of weights.
        prune_trial: ``AUTO`` prunes only if, on the sample, it also beats fine-tuning for as long without pruning.
        allocate: steps by sensitivity; off, every group gets the same number of levels.
        seed: of every random choice.
    """

    family: ClassVar[str] = "siren"

    hidden: tuple[int, int] | None = None
    steps: int | None = None
    learning_rate: float | None = None
    pixels_per_step: int = 4096
    psnr_db: float | None = None
    bytes_per_image: int | None = None
    max_drop_db: float = 0.25
    shared_base: bool | None = None
    fine_tune_steps: int | None = None
    pruning: Pruning = Pruning.AUTO
    prune_ratio: float = 0.15
    prune_drop_db: float = 0.5
    prune_rounds: int = 5
    prune_by: str = "sensitivity"
    prune_scope: str = "global"
    prune_trial: bool = True
    allocate: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises: UsageError: values out of range or at odds with each other."""
        if self.psnr_db is not None and self.bytes_per_image is not None:
            raise UsageError("psnr_db and bytes_per_image (--psnr and --bytes-per-image): choose one of them")
        _within("the PSNR target", self.psnr_db, 5, 60)
        _within("bytes per image", self.bytes_per_image, 8, 1 << 24)
        _within("steps", self.steps, 1, 10_000_000)
        _within("fine-tuning steps", self.fine_tune_steps, 0, 10_000_000)
        _within("the learning rate", self.learning_rate, 1e-8, 1)
        _within("pixels per step", self.pixels_per_step, 16, 1 << 24)
        _within("the quantization drop in dB", self.max_drop_db, 0.001, 20)
        _within("the pruning ratio", self.prune_ratio, 0, 0.99)
        _within("the pruning drop in dB", self.prune_drop_db, 0, 20)
        _within("pruning rounds", self.prune_rounds, 1, 1000)
        if self.hidden is not None:
            _within("hidden layers", self.hidden[0], 1, 62)
            _within("hidden width", self.hidden[1], 1, 512)
        if self.prune_by not in ("sensitivity", "magnitude") or self.prune_scope not in ("global", "layer"):
            raise UsageError("prune by sensitivity or magnitude, with scope global or layer")


def _within(what: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(f"{what} is {value}, expected {low} to {high}")
