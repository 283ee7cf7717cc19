"""How a batch is handed over: in whole tensors, in lists, or as a user's function makes it of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from inrformat.data.targets import collate
from inrformat.data.transforms.batch_transforms import Images
from inrformat.errors import UsageError

__all__ = ["Collation", "collation_of", "in_lists", "in_tensors", "of_samples"]

Collation = Callable[[list[Images], list[Any]], Any]
"""Makes a batch of the images of each view, and the targets of each view: a tensor of B rows or a list of B targets."""


def collation_of(name: str, function: Callable[[list[Any]], Any] | None, *, several: bool) -> Collation:
    """The collation that a loader's arguments ask for.

    Args:
        name: "batch" or "list". function: a ``collate_fn`` as a ``DataLoader`` takes it.
        several: whether samples have several views, which are then in a list.

    Raises:
        UsageError: there is none of that name, or both a name and a function are given.
    """
    names = {"batch": in_tensors, "list": in_lists}
    if name not in names or (function is not None and name != "batch"):
        raise UsageError(f"collate {name!r}: choose one of {', '.join(names)}, or give a collate_fn")
    if function is not None:
        return lambda views, targets: function(of_samples(views, targets, several=several))
    one = names[name]
    return _in_views(one) if several else lambda views, targets: one(views[0], targets[0])


def in_tensors(images: Images, targets: Any) -> tuple[Tensor, Any]:
    """Images ``(B, C, H, W)``, and targets as ``inrformat.data.targets.collate`` has them.

    Raises:
        UsageError: images differ in size.
    """
    if isinstance(images, list):
        if len({image.shape for image in images}) > 1:
            raise UsageError(
                "images of one batch differ in size after the transforms: end the pipeline with a Resize or crop, give "
                'size=(height, width), or take them in a list with collate="list"'
            )
        images = torch.stack(images)
    return images, collate(targets) if isinstance(targets, list) else targets


def in_lists(images: Images, targets: Any) -> tuple[list[Tensor], list[Any]]:
    """B images ``(C, H, W)`` of any sizes, and B targets."""
    return list(images), _rows(targets)


def of_samples(views: list[Images], targets: list[Any], *, several: bool) -> list[tuple[Any, Any]]:
    """Samples as a data set gives them: an image or its ``several`` views in a list, and the target or one per view."""
    if not several:
        return list(zip(views[0], _rows(targets[0]), strict=True))
    images = [list(of_sample) for of_sample in zip(*views, strict=True)]
    if _shared(targets):
        return list(zip(images, _rows(targets[0]), strict=True))
    moved = [list(of_sample) for of_sample in zip(*map(_rows, targets), strict=True)]
    return list(zip(images, moved, strict=True))


def _in_views(collation: Callable[[Images, Any], tuple[Any, Any]]) -> Collation:
    """Images of each view in a list; targets in one as well, where they differ from view to view."""

    def collated(views: list[Images], targets: list[Any]) -> tuple[list[Any], Any]:
        batches = [collation(images, of_view) for images, of_view in zip(views, targets, strict=True)]
        images, told = [list(part) for part in zip(*batches, strict=True)]
        return images, told[0] if _shared(targets) else told

    return collated


def _shared(targets: Sequence[Any]) -> bool:
    return all(of_view is targets[0] for of_view in targets)


def _rows(targets: Any) -> list[Any]:
    """One target for each sample; class numbers as a data set gives them."""
    if isinstance(targets, Tensor):
        numbers = targets.ndim == 1 and not targets.is_floating_point()
        return targets.tolist() if numbers else list(targets)
    return list(targets)
