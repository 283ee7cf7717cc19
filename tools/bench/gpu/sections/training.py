"""A training step of ResNet-18 fed by the loader, beside the same step on one batch that lies there already."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from gpu.loaders import usual_loader
from gpu.setting import FAMILIES, FORM, Setting
from gpu.timing import synchronize

__all__ = ["measure"]

_CLASSES = 1000


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """Seconds per step in turns, and the ratio of synthetic to loaded."""
    model = resnet18(num_classes=_CLASSES).to(setting.device, FORM.dtype, memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    for family in FAMILIES:
        loader = usual_loader(setting, family, batches=setting.scale.steps, drop_last=True)
        images, targets = next(iter(loader))
        ways: dict[str, Iterable[Any]] = {"synthetic": [(images, targets)] * len(loader), "loaded": loader}
        found: dict[str, list[float]] = {name: [] for name in ways}
        _train(model, optimizer, loader, setting)
        for _ in range(3):
            for name, batches in ways.items():
                found[name].append(_train(model, optimizer, batches, setting))
        best = {name: min(taken) for name, taken in found.items()}
        yield {
            "what": f"ResNet-18, {family}",
            "batch": len(images),
            "seconds_per_step": best,
            "images_per_second": len(images) / best["loaded"],
            "of_synthetic": best["synthetic"] / best["loaded"],
        }


def _train(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: Iterable[tuple[Tensor, Tensor]], setting: Setting
) -> float:
    """Seconds per step."""
    synchronize(setting.device)
    start, steps = time.perf_counter(), 0
    for images, targets in batches:
        loss = nn.functional.cross_entropy(model(images).float(), targets % _CLASSES)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        steps += 1
    synchronize(setting.device)
    return (time.perf_counter() - start) / steps
