"""The pipelines that come with torchvision's weights, as the transforms that they consist of."""

from __future__ import annotations

from typing import Any

import torch
from torchvision import transforms as v1
from torchvision.transforms import _presets as presets

from inrformat.errors import UsageError

__all__ = ["expanded"]


def expanded(transform: Any) -> list[Any] | None:
    """The steps of a preset, such as ``ResNet18_Weights.DEFAULT.transforms()`` gives it; None of anything else.

    Raises:
        UsageError: it is made for video.
    """
    kind = type(transform)
    if kind is presets.ObjectDetection:
        return [v1.ConvertImageDtype(torch.float)]
    if kind is presets.ImageClassification:
        return [_resize(transform), v1.CenterCrop(transform.crop_size), *_normalized(transform)]
    if kind is presets.SemanticSegmentation:
        return [*([_resize(transform)] if transform.resize_size else []), *_normalized(transform)]
    if kind in (presets.VideoClassification, presets.OpticalFlow):
        raise UsageError(f"{kind.__name__} is made for video: choose the transforms of weights for images")
    return None


def _resize(transform: Any) -> v1.Resize:
    return v1.Resize(transform.resize_size, interpolation=transform.interpolation, antialias=transform.antialias)


def _normalized(transform: Any) -> list[Any]:
    return [v1.ConvertImageDtype(torch.float), v1.Normalize(transform.mean, transform.std)]
