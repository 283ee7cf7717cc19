"""The loader of the usual training pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from decode import MEAN, STD
from torchvision.transforms import v2

from gpu.setting import Setting
from inrformat import InrdLoader

__all__ = ["usual_loader"]

_BATCHES = 16


def usual_loader(setting: Setting, family: str, *, batches: int = _BATCHES, **options: Any) -> InrdLoader:
    """Of so many batches per epoch, images coming again where there are fewer.

    RandomResizedCrop, flip, normalised bfloat16, channels last. ``options`` are the loader's.
    """
    data = setting.dataset(family)
    side = min(224, *data.reader.index.shapes(slice(1))[0, 1:].tolist())
    batch = setting.scale.batch
    transform = v2.Compose(
        [
            v2.RandomResizedCrop(side),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(MEAN, STD),
        ]
    )
    return InrdLoader(
        data,
        batch,
        True,
        indices=(np.arange(batches * batch) % len(data)).tolist(),
        transform=transform,
        dtype=torch.bfloat16,
        memory_format=torch.channels_last,
        device=setting.device,
        **options,
    )
