"""Data time of the transfer-learning tutorial: ImageFolder against the same lines with an .inrd in its place.

    tools/bench/tutorial.py CLOTHING WORK --batch-size 4 32 --workers 0 2 4

CLOTHING holds ``train`` and ``validation``, a sub-folder per class in each; WORK gets ``train.inrd`` and
``validation.inrd``, converted with the defaults. The script is the data part of
https://pytorch.org/tutorials/beginner/transfer_learning_tutorial.html, its classic transforms included; each variant
changes one line of it (``LINES``). An epoch is one pass over both sets, without a model. With N workers InrdLoader,
which has none, decodes on N threads (one where N is 0). Runs alternate, the first of each variant is not counted, and
ratios are those of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torchvision import datasets, transforms

from inrformat import InrdDataset, InrdLoader

RESULTS = Path(__file__).parent / "results"
SETS = ("train", "validation")

data_transforms = {
    "train": transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    ),
    "validation": transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    ),
}

LINES = {
    "ImageFolder": "datasets.ImageFolder(os.path.join(data_dir, x), data_transforms[x])",
    "InrdDataset": 'InrdDataset(os.path.join(data_dir, x + ".inrd"), data_transforms[x])',
    "InrdDataset lift": 'InrdDataset(os.path.join(data_dir, x + ".inrd"), data_transforms[x], lift=True)',
    "InrdLoader": 'InrdLoader(os.path.join(data_dir, x + ".inrd"), 4, True, transform=data_transforms[x])',
}
"""What the line says that makes the data set, or for the last one the loader."""


def loaders(variant: str, folder: Path, work: Path, *, batch_size: int, workers: int) -> dict[str, Any]:
    """Training and validation loaders of a variant."""
    if variant == "InrdLoader":
        return {x: InrdLoader(work / f"{x}.inrd", batch_size, True, transform=data_transforms[x]) for x in SETS}
    make: dict[str, Callable[[str], Any]] = {
        "ImageFolder": lambda x: datasets.ImageFolder(str(folder / x), data_transforms[x]),
        "InrdDataset": lambda x: InrdDataset(work / f"{x}.inrd", data_transforms[x]),
        "InrdDataset lift": lambda x: InrdDataset(work / f"{x}.inrd", data_transforms[x], lift=True),
    }
    return {
        x: torch.utils.data.DataLoader(make[variant](x), batch_size, shuffle=True, num_workers=workers) for x in SETS
    }


def epoch(of: dict[str, Any]) -> tuple[float, float]:
    """Wall and CPU seconds, children's included, of one pass over both sets."""
    began, cpu = time.perf_counter(), cpu_seconds()
    for x in SETS:
        for images, labels in of[x]:
            assert len(images) == len(labels)
    return time.perf_counter() - began, cpu_seconds() - cpu


def cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def compared(options: argparse.Namespace, *, batch_size: int, workers: int) -> dict[str, Any]:
    torch.set_num_threads(max(workers, 1))
    variants = {
        name: loaders(name, options.folder, options.work, batch_size=batch_size, workers=workers) for name in LINES
    }
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in LINES}
    for _ in range(options.repeats + 1):
        for name, of in variants.items():
            runs[name].append(epoch(of))
    counted = {name: of[1:] for name, of in runs.items()}
    wall = {name: statistics.median(seconds for seconds, _ in of) for name, of in counted.items()}
    cpu = {name: statistics.median(seconds for _, seconds in of) for name, of in counted.items()}
    ratios = {name: wall["ImageFolder"] / seconds for name, seconds in wall.items()}
    cpu_ratios = {name: cpu["ImageFolder"] / seconds for name, seconds in cpu.items()}
    print(
        f"batch size {batch_size}, {workers} workers: times faster {rounded(ratios)}; CPU {rounded(cpu_ratios)}",
        flush=True,
    )
    return {
        "batch_size": batch_size,
        "workers": workers,
        "seconds_per_epoch": {name: [round(seconds, 3) for seconds, _ in of] for name, of in counted.items()},
        "cpu_seconds_per_epoch": {name: [round(seconds, 3) for _, seconds in of] for name, of in counted.items()},
        "times_faster": rounded(ratios),
        "times_less_cpu": rounded(cpu_ratios),
    }


def rounded(numbers: dict[str, float]) -> dict[str, float]:
    return {name: round(number, 2) for name, number in numbers.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--batch-size", type=int, nargs="*", default=[4, 32])
    parser.add_argument("--workers", type=int, nargs="*", default=[0, 2, 4])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--name", default="tutorial_clothing", help="of the result file")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for x in SETS:
        if not (options.work / f"{x}.inrd").exists():
            command = [
                sys.executable,
                "-m",
                "inrformat",
                "convert",
                str(options.folder / x),
                str(options.work / f"{x}.inrd"),
            ]
            subprocess.run(command, check=True)
    result: dict[str, Any] = {"machine": platform.machine(), "cpus": os.cpu_count(), "torch": torch.__version__}
    result |= {"images": {x: len(InrdDataset(options.work / f"{x}.inrd")) for x in SETS}, "lines": LINES}
    result["compared"] = [
        compared(options, batch_size=b, workers=w) for b in options.batch_size for w in options.workers
    ]
    (RESULTS / f"{options.name}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
