"""timm's training loop with batches decoded on the device: an adapter in place of its PrefetchLoader.

    tools/examples/timm_prefetch.py [train.inrd]

Crops and flips are torchvision's, evaluated in the decoder; mixing, normalization and random erasing are timm's, on
the device.
"""

from __future__ import annotations

from pathlib import Path

import timm
import torch
from photographs import file_from_arguments
from timm.data.mixup import Mixup
from timm.loss import SoftTargetCrossEntropy
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader
from inrformat.integrations.timm import TimmLoader


def train(path: Path, *, epochs: int = 2, mixup_off_epoch: int = 1) -> list[float]:
    """The loss of each batch; from ``mixup_off_epoch`` on without mixing, as timm's ``--mixup-off-epoch``."""
    dataset = InrdDataset(path)
    transform = v2.Compose([v2.RandomResizedCrop(32), v2.RandomHorizontalFlip()])
    batches = InrdLoader(dataset, 8, shuffle=True, drop_last=True, transform=transform)
    mixup = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, num_classes=len(dataset.classes))
    loader = TimmLoader(batches, mixup=mixup, re_prob=0.25)
    model = timm.create_model("resnet10t", pretrained=False, num_classes=len(dataset.classes)).to(batches.device)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    loss_of, losses = SoftTargetCrossEntropy(), []
    for epoch in range(epochs):
        loader.sampler.set_epoch(epoch)
        mixup.mixup_enabled = epoch < mixup_off_epoch
        for images, targets in loader:
            loss = loss_of(model(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print("loss of each batch:", train(file_from_arguments(__doc__)))
