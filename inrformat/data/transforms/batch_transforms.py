"""Transforms on decoded batches: what v2 defines per sample runs once for each sample, with a seed of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from typing import Any

import torch
from torch import Tensor
from torchvision import transforms as v1, tv_tensors
from torchvision.transforms import v2

from inrformat.data.forms import Form, in_form, takes_pil
from inrformat.data.randomness import batch_transform_seeds
from inrformat.data.transforms.on_batch import on_batch, runs_on_batch
from inrformat.errors import UsageError

__all__ = ["Images", "apply_batch_transforms"]

Images = Tensor | list[Tensor]
"""Decoded images of a batch: ``(B, C, H, W)``, or B of ``(C, H, W)`` where they differ in size."""

_ALIKE = (
    v2.ToDtype,
    v2.Normalize,
    v2.Grayscale,
    v2.RGB,
    v2.ToImage,
    v2.PILToTensor,
    v2.Identity,
    v2.ConvertImageDtype,
    v1.ConvertImageDtype,
    v1.Normalize,
    torch.nn.Identity,
)
"""The same for every sample and pixel by pixel: one call does the batch."""
_TO_PIL = (v2.ToPILImage, v1.ToPILImage)
_FROM_PIL = (v2.ToImage, v2.PILToTensor, v1.PILToTensor, v1.ToTensor, v2.ToTensor)


def apply_batch_transforms(
    batch_transforms: Sequence[Any],
    images: Images,
    targets: Any,
    *,
    samples: Tensor,
    occurrences: Tensor | int = 0,
    seed: int,
    epoch: int,
    view: int = 0,
) -> tuple[Images, Any]:
    """Apply transforms to a decoded batch; its images come as one tensor wherever they have one shape.

    Args:
        targets: a tensor of B rows, which only mixing touches, or a list of B targets.
        samples, occurrences: int64 ``(B,)``, numbers of the samples, and how often each has come in the epoch; with
            ``seed``, ``epoch`` and ``view`` they are all randomness.

    Raises:
        UsageError: images of different sizes are to be mixed; a transform gives something else than a tensor.
    """
    device = images[0].device
    kinds = zip(_kinds(batch_transforms), batch_transforms, strict=True)
    for part, (kind, pairs) in enumerate(groupby(kinds, itemgetter(0))):
        group = [transform for _, transform in pairs]
        if kind == "alike":
            for transform in group:
                images = _mapped(transform, images)
            continue
        seeds = batch_transform_seeds(samples, seed=seed, epoch=epoch, part=part, occurrences=occurrences, view=view)
        with _own_generator(device):
            if kind == "batch":
                for transform in group:
                    _seed(seeds[0], device)
                    images, targets = on_batch(transform, _of_one_size(images, transform), targets)
            else:
                images, targets = _each(group, images, targets, seeds)
    return images, targets


def _mapped(transform: Any, images: Images) -> Images:
    if isinstance(images, list):
        return [_plain(transform(tv_tensors.Image(image))) for image in images]
    return _plain(transform(tv_tensors.Image(images)))


def _of_one_size(images: Images, transform: Any) -> Tensor:
    if isinstance(images, list):
        raise UsageError(f"{type(transform).__name__} takes images of one size: put a Resize or crop before it")
    return images


def _kinds(transforms: Sequence[Any]) -> Iterator[str]:
    """How each of ``transforms`` runs: alike on every sample, on the batch, or on each sample."""
    pictures = False
    for transform in transforms:
        pictures = pictures or isinstance(transform, _TO_PIL)
        if pictures:  # Pillow images, until something makes tensors of them
            yield "each"
            pictures = not isinstance(transform, _FROM_PIL)
        elif type(transform) in _ALIKE and not isinstance(getattr(transform, "dtype", None), dict):
            yield "alike"
        else:
            yield "batch" if runs_on_batch(transform) else "each"


def _each(transforms: list[Any], images: Images, targets: Any, seeds: list[int]) -> tuple[Images, Any]:
    done, told = [], []
    for k, seed in enumerate(seeds):
        _seed(seed, images[k].device)
        image, target = _one(transforms, tv_tensors.Image(images[k]), targets[k] if isinstance(targets, list) else None)
        done.append(_plain(image))
        told.append(target)
    same = len({image.shape for image in done}) == 1
    return torch.stack(done) if same else done, told if isinstance(targets, list) else targets


def _one(transforms: list[Any], image: Any, target: Any) -> tuple[Any, Any]:
    for transform in transforms:
        if takes_pil(transform) and isinstance(image, Tensor):
            image = in_form(image, Form.PIL)
        # What knows no targets, such as a plain function, gets the image alone.
        if target is not None and isinstance(transform, v2.Transform):
            image, target = transform(image, target)
        else:
            image = transform(image)
    return image, target


def _plain(image: Any) -> Tensor:
    if isinstance(image, tuple | list) and image and all(isinstance(part, Tensor) for part in image):
        image = torch.stack(list(image))  # several of one sample, as FiveCrop gives them
    if not isinstance(image, Tensor):
        raise UsageError(f"a transform gave a {type(image).__name__} instead of a tensor")
    return image.as_subclass(Tensor)


@contextmanager
def _own_generator(device: torch.device) -> Iterator[None]:
    """Keep torch's generators as they were, whatever is drawn inside."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        yield


def _seed(seed: int, device: torch.device) -> None:
    # Not torch.manual_seed: it would also seed devices whose state nobody kept.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
