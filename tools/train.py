"""Train a classifier from a folder of images or from an .inrd file: the same script, the same flags.

    tools/train.py photos/train --test photos/test --model resnet18
    tools/train.py train.inrd   --test photos/test --model resnet18 --amp
    torchrun --nproc-per-node 4 tools/train.py train.inrd --test test.inrd

Only `make_loader` knows the difference. The test set may be either, too; test on originals to compare.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, DistributedSampler
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, help="folder of images, one sub-folder a class, or .inrd file")
    parser.add_argument("--test", type=Path, required=True, help="the same of images to test on")
    parser.add_argument("--model", choices=sorted(MODELS), default="resnet18")
    parser.add_argument("--size", type=int, default=224, help="of images in training, pixels (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--batch-size", type=int, default=128, help="of each process")
    parser.add_argument("--lr", type=float, default=0.1, help="for 256 samples in all; scaled to the batch in use")
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--workers", type=int, default=4, help="DataLoader processes of an image folder")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--amp", action="store_true", help="bfloat16 where it is safe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="JSON file for the results")
    return parser.parse_args()


# -- data


def transform(size: int, *, training: bool) -> v2.Transform:
    """What everyone does: crops that fit the size of the images, flips, normalisation."""
    if training and size <= 64:
        steps = [v2.RandomCrop(size, padding=size // 8), v2.RandomHorizontalFlip()]
    elif training:
        steps = [v2.RandomResizedCrop(size), v2.RandomHorizontalFlip()]
    else:
        steps = [v2.Resize(size if size <= 64 else size * 8 // 7), v2.CenterCrop(size)]
    return v2.Compose([v2.ToImage(), *steps, v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])


def make_loader(
    path: Path, *, size: int, batch_size: int, training: bool, workers: int = 0, device: str = "cpu", seed: int = 0
) -> tuple[Any, list[str]]:
    """Batches of (images, labels), and the class names."""
    pipeline = transform(size, training=training)
    if path.suffix == ".inrd":
        inrd = InrdDataset(path)
        loader = InrdLoader(
            inrd, batch_size, shuffle=training, drop_last=training, transform=pipeline, device=device, seed=seed
        )
        return loader, inrd.classes
    folder = ImageFolder(path, pipeline)
    sampler: Any = DistributedSampler(folder, shuffle=training, seed=seed) if dist.is_initialized() else None
    return DataLoader(
        folder,
        batch_size,
        shuffle=training and sampler is None,
        sampler=sampler,
        drop_last=training,
        num_workers=workers,
        pin_memory=device != "cpu",
        persistent_workers=workers > 0,
    ), folder.classes


# -- models


class Block(nn.Module):
    """Two convolutions and a way around them (He et al. 2016, section 4.2)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.stride, self.grown = stride, outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        out = self.second_norm(self.second(F.relu(self.first_norm(self.first(x)))))
        around = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.grown))
        return F.relu(out + around)


def cifar_resnet(classes: int, *, width: int = 16, blocks: int = 3) -> nn.Module:
    """ResNet-20 for 32 px images; ``blocks`` and ``width`` make smaller and larger ones."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    inputs = width
    for stage in range(3):
        for block in range(blocks):
            outputs = width << stage
            layers.append(Block(inputs, outputs, 2 if stage and not block else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


MODELS: dict[str, Callable[[int], nn.Module]] = {
    "resnet18": lambda classes: resnet18(num_classes=classes),
    "resnet20": cifar_resnet,
    "resnet8": lambda classes: cifar_resnet(classes, blocks=1, width=8),
}


# -- training


def train_epoch(
    model: nn.Module, batches: Iterable[Any], optimizer: Any, schedule: Any, *, device: str, amp: bool
) -> tuple[float, int]:
    """One pass; the mean loss, and how many images it took."""
    model.train()
    total, images_seen = 0.0, 0
    for batch in batches:
        images, labels = (part.to(device, non_blocking=True) for part in batch)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=amp):
            loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        total += float(loss.detach()) * len(images)
        images_seen += len(images)
    return total / max(images_seen, 1), images_seen


@torch.no_grad()
def accuracy(model: nn.Module, batches: Iterable[Any], *, device: str) -> float:
    """Share of images put into their class, over all processes."""
    model.eval()
    counts = torch.zeros(2, device=device)
    for images, labels in batches:
        hits = (model(images.to(device)).argmax(1) == labels.to(device)).sum()
        counts += torch.stack([hits, torch.tensor(len(labels), device=device)])
    if dist.is_initialized():
        dist.all_reduce(counts)
    return float(counts[0] / counts[1].clamp(min=1))


def fit(options: argparse.Namespace, *, quiet: bool = False) -> dict[str, Any]:
    """Train and test; accuracy, time of each epoch in seconds, images per second."""
    torch.manual_seed(options.seed)
    shared = {"size": options.size, "batch_size": options.batch_size, "workers": options.workers}
    loader, classes = make_loader(options.train, training=True, device=options.device, seed=options.seed, **shared)
    tests, _ = make_loader(options.test, training=False, device=options.device, **shared)
    model: nn.Module = MODELS[options.model](len(classes)).to(options.device)
    world = dist.get_world_size() if dist.is_initialized() else 1
    wrapped = nn.parallel.DistributedDataParallel(model) if world > 1 else model
    rate = options.lr * options.batch_size * world / 256
    optimizer = torch.optim.SGD(
        model.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=options.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=options.epochs * len(loader))
    seconds, images_seen = [], 0
    for epoch in range(options.epochs):
        began = time.perf_counter()
        for part in (loader, getattr(loader, "sampler", None)):
            if part is not None and hasattr(part, "set_epoch"):
                part.set_epoch(epoch)
        loss, count = train_epoch(wrapped, loader, optimizer, schedule, device=options.device, amp=options.amp)
        seconds.append(time.perf_counter() - began)
        images_seen += count
        if not quiet:
            print(
                f"epoch {epoch + 1}/{options.epochs}: loss {loss:.3f}, {count / seconds[-1]:.0f} images/s", flush=True
            )
    found = accuracy(model, tests, device=options.device)
    return {"accuracy": found, "epoch_seconds": seconds, "images_per_second": images_seen / sum(seconds)}


def main() -> None:
    options = arguments()
    if "RANK" in os.environ:  # of torchrun
        dist.init_process_group("nccl" if options.device.startswith("cuda") else "gloo")
        if options.device.startswith("cuda"):
            options.device = f"cuda:{os.environ['LOCAL_RANK']}"
            torch.cuda.set_device(options.device)
    try:
        result = fit(options, quiet=dist.is_initialized() and dist.get_rank() > 0)
        if not dist.is_initialized() or dist.get_rank() == 0:
            print(f"accuracy {result['accuracy']:.2%} on {options.test}")
            if options.output:
                options.output.write_text(json.dumps(result, indent=1) + "\n")
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


if __name__ == "__main__":
    main()
