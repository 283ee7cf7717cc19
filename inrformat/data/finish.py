"""What is left to do with a decoded batch where it is used: transforms that draw from torch's own generators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torchvision.transforms.v2 import functional as F

from inrformat.data.batches import Batch
from inrformat.data.collation import Collation
from inrformat.data.transforms.batch_transforms import Images, apply_batch_transforms
from inrformat.data.views import View

__all__ = ["Finish"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Finish:
    """From a decoded batch to what a training loop gets.

    Attributes:
        views: of each sample. target_transform: of each target. collation: what makes a batch of them.
        seed: of what is random. memory_format: of images. device: of tensors.
    """

    views: tuple[View, ...]
    target_transform: Callable[[Any], Any] | None
    collation: Collation
    seed: int
    memory_format: torch.memory_format
    device: torch.device

    def __call__(self, batch: Batch, *, epoch: int) -> Any:
        """``batch`` of ``epoch``, transformed and collated."""
        finished = [self._view(batch, number, epoch) for number in range(len(self.views))]
        images, targets = (list(part) for part in zip(*finished, strict=True))
        if all(of_view is batch.targets[0] for of_view in targets):
            targets = [self._targets(batch.targets[0])] * len(targets)
        else:
            targets = [self._targets(of_view) for of_view in targets]
        return pytree.tree_map(self._sent, self.collation(images, targets))

    def _view(self, batch: Batch, number: int, epoch: int) -> tuple[Images, Any]:
        view, images, targets = self.views[number], batch.images[number], batch.targets[number]
        if view.plan.batch_transforms:
            images, targets = apply_batch_transforms(
                view.plan.batch_transforms,
                images,
                targets,
                samples=batch.samples,
                occurrences=batch.occurrences,
                seed=self.seed,
                epoch=epoch,
                view=number,
            )
        return _formed(images, view.dtype, self.memory_format), targets

    def _targets(self, targets: Any) -> Any:
        if self.target_transform is None:
            return targets
        listed = targets.tolist() if isinstance(targets, Tensor) and targets.ndim == 1 else list(targets)
        return [self.target_transform(target) for target in listed]

    def _sent(self, leaf: Any) -> Any:
        return leaf.to(self.device) if isinstance(leaf, Tensor) else leaf


def _formed(images: Images, dtype: torch.dtype | None, memory_format: torch.memory_format) -> Images:
    if isinstance(images, list):
        return [image if dtype is None else F.to_dtype(image, dtype, scale=True) for image in images]
    batch: Tensor = images if dtype is None else F.to_dtype(images, dtype, scale=True)
    return batch.contiguous(memory_format=memory_format) if batch.ndim == 4 else batch
