"""albumentations: its pipelines take the arrays that ``output="numpy"`` gives.

    tools/examples/albumentations_dataset.py [train.inrd]

albumentations takes and gives named parts, a data set's ``transform`` the image alone: a function stands between them.
``size=`` decodes at the working size, so that nothing is decoded larger only to be resized.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import albumentations as A  # as its documentation has it
import torch
from albumentations.pytorch import ToTensorV2
from photographs import file_from_arguments
from torch.utils.data import DataLoader

from inrformat import InrdDataset


class OnImage:
    """A pipeline of albumentations as a transform of the image."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def __call__(self, image: Any) -> torch.Tensor:
        """From an array ``(height, width, 3)`` to what the pipeline makes of it."""
        result: torch.Tensor = self.pipeline(image=image)["image"]
        return result


def batches(path: Path, *, workers: int = 0) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """Shuffled batches of normalised images ``(B, 3, 24, 24)`` and class numbers."""
    pipeline = A.Compose([A.RandomCrop(24, 24), A.HorizontalFlip(), A.GaussNoise(), A.Normalize(), ToTensorV2()])
    dataset = InrdDataset(path, OnImage(pipeline), output="numpy", size=32)
    return DataLoader(dataset, 4, shuffle=True, num_workers=workers)


if __name__ == "__main__":
    for images, labels in batches(file_from_arguments(__doc__)):
        print(tuple(images.shape), labels.tolist())
