"""timm as it is: its data loader and its transforms around an InrdDataset.

    tools/examples/timm_loader.py [train.inrd]

``timm.data.create_loader`` sets the data set's ``transform`` to a pipeline for Pillow images, and gets them. In timm's
training script an ``InrdDataset`` takes the place of what ``create_dataset`` returns; nothing else changes.
"""

from __future__ import annotations

from pathlib import Path

import timm
import timm.data
import torch
from photographs import file_from_arguments
from torch.nn import functional as F

from inrformat import InrdDataset


def train(path: Path, *, use_prefetcher: bool = True) -> list[float]:
    """The loss of each batch of an epoch."""
    dataset = InrdDataset(path)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    loader = timm.data.create_loader(
        dataset,
        input_size=(3, 32, 32),
        batch_size=8,
        is_training=True,
        auto_augment="rand-m9-mstd0.5",
        interpolation="bicubic",
        re_prob=0.25,
        num_workers=2,
        use_prefetcher=use_prefetcher,
        device=device,
    )
    model = timm.create_model("resnet10t", pretrained=False, num_classes=len(dataset.classes)).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    losses = []
    for images, labels in loader:
        loss = F.cross_entropy(model(images.to(device)), labels.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print("loss of each batch:", train(file_from_arguments(__doc__)))
