"""What runs once for a whole decoded batch: mixing, kornia's augmentations, and functions marked by `OnBatch`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms import v2

from inrformat.errors import UsageError

__all__ = ["OnBatch", "on_batch", "runs_on_batch"]

_MIXING = (v2.MixUp, v2.CutMix)
_CONTAINERS = (v2.Compose, v2.RandomApply, v2.RandomChoice, v2.RandomOrder)


class OnBatch:
    """A function inside a pipeline of `inrformat.InrdLoader` that is to have the whole decoded batch.

    Other functions get one image ``(C, H, W)`` at a time. The images that it gives back are again as many, of any
    shape. In a data set, where there is no batch, it gets a batch of one.
    """

    def __init__(self, function: Callable[..., Any], *, with_targets: bool = False) -> None:
        """Mark a function.

        Args:
            function: of images ``(B, C, H, W)``, or with targets of (images, targets); gives back the same.
            with_targets: whether it takes and gives targets: a tensor of B rows, or a list of B.
        """
        self.function, self.with_targets = function, with_targets

    def __call__(self, image: Tensor, *target: Any) -> Any:
        """One sample, as a batch of one."""
        images, targets = on_batch(self, image[None], list(target) or None)
        return (images[0], targets[0]) if target else images[0]

    def __repr__(self) -> str:
        return f"OnBatch({getattr(self.function, '__qualname__', self.function)})"


def runs_on_batch(transform: Any) -> bool:
    """Whether a transform is for whole batches: it draws once for all samples, or by itself for each."""
    if isinstance(transform, _CONTAINERS):
        inner = list(transform.transforms)
        return bool(inner) and all(runs_on_batch(t) for t in inner)
    return isinstance(transform, (*_MIXING, OnBatch)) or _of_kornia(transform)


def _of_kornia(transform: Any) -> bool:
    return type(transform).__module__.startswith("kornia.")


def on_batch(transform: Any, images: Tensor, targets: Any) -> tuple[Tensor, Any]:
    """Apply a transform for which `runs_on_batch` holds to images ``(B, C, H, W)`` and their targets.

    Raises:
        UsageError: it does not take such images, or gives back others than as many.
    """
    name = type(transform).__name__
    if _of_kornia(transform):
        if not images.is_floating_point():
            raise UsageError(f"{name} of kornia takes floats: put ToDtype(torch.float32, scale=True) before it")
        result: Any = transform(images)
    elif isinstance(transform, OnBatch):
        if transform.with_targets:
            result, targets = transform.function(images, targets)
        else:
            result = transform.function(images)
    else:
        result, targets = transform(images, targets)
    if not isinstance(result, Tensor) or len(result) != len(images):
        shape = tuple(result.shape) if isinstance(result, Tensor) else type(result).__name__
        raise UsageError(f"{name}: {tuple(images.shape)} became {shape}, expected a tensor of {len(images)} images")
    return result.as_subclass(torch.Tensor), targets
