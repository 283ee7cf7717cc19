"""Does training from .inrd cost accuracy? The same model, schedule and seeds on originals and on .inrd files.

    tools/bench/accuracy.py CIFAR10/train --test CIFAR10/test --size 32 --model resnet8 --epochs 20
    tools/bench/accuracy.py IMAGENETTE/train --test IMAGENETTE/val --size 224 --model resnet18 --device cuda --amp

Each arm is converted anew with its options, trained with each seed and always tested on the original images. Reported:
mean and spread (standard deviation over seeds) of the accuracy, images per second end to end, bytes. Arms and the
originals are trained in turn within one run. Results: tools/bench/results/accuracy_NAME.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import train

RESULTS = Path(__file__).parent / "results"
ARMS = {
    "cells, default": "",
    "cells, quality 40": "--quality 40",
    "cells, quality 15": "--quality 15",
    "cells, quality 60": "--quality 60",
    "siren 3x15, 500 steps": "--network siren --preset paper-cifar --steps 500",
}


def converted(folder: Path, path: Path, flags: str, device: str) -> dict[str, Any]:
    """Convert; what ``inrformat convert --json`` says of it."""
    command = [sys.executable, "-m", "inrformat", "convert", str(folder), str(path), "--json", "--device", device]
    done = subprocess.run([*command, *shlex.split(flags)], check=True, capture_output=True, text=True)
    summary: dict[str, Any] = json.loads(done.stdout)
    return {key: summary[key] for key in ("bytes", "mean_bpp", "mean_psnr_db", "seconds")}


def folder_bytes(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def summarised(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and spread over seeds, in percent."""
    found = [100 * run["accuracy"] for run in runs]
    return {
        "accuracy_percent": found,
        "mean_percent": statistics.mean(found),
        "spread_percent": statistics.stdev(found) if len(found) > 1 else 0.0,
        "images_per_second": statistics.median(run["images_per_second"] for run in runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--model", choices=sorted(train.MODELS), default="resnet8")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.4)
    parser.add_argument("--weight-decay", type=float, default=5e-4)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arms", nargs="*", default=sorted(ARMS), choices=sorted(ARMS))
    parser.add_argument("--convert-flags", default="", help="added to every conversion")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--name", default="cifar10")
    options = parser.parse_args()
    original = options.train
    report: dict[str, Any] = {name: getattr(options, name) for name in ("model", "size", "epochs", "seeds", "device")}
    report |= {"torch": torch.__version__, "machine": platform.machine(), "arms": {}}
    with tempfile.TemporaryDirectory() as work:
        sources: dict[str, Path] = {"originals": original}
        facts: dict[str, dict[str, Any]] = {"originals": {"bytes": folder_bytes(original)}}
        for number, arm in enumerate(options.arms):
            sources[arm] = Path(work) / f"{number}.inrd"
            facts[arm] = converted(original, sources[arm], f"{ARMS[arm]} {options.convert_flags}", options.device)
            print(arm, facts[arm], flush=True)
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in sources}
        for seed in range(options.seeds):
            for name, source in sources.items():
                options.train, options.seed = source, seed
                runs[name].append(train.fit(options, quiet=True))
                report["arms"][name] = {**facts[name], **summarised(runs[name])}
                print(seed, name, f"{runs[name][-1]['accuracy']:.2%}", flush=True)
            report["seeds"] = seed + 1
            # Written after each seed: a long run that is stopped leaves what it found.
            (RESULTS / f"accuracy_{options.name}.json").write_text(json.dumps(report, indent=1) + "\n")
    for name, arm in report["arms"].items():
        print(
            f"{name:20} {arm['mean_percent']:.2f} +- {arm['spread_percent']:.2f} %, {arm['bytes']:,} bytes, "
            f"{arm['images_per_second']:.0f} images/s"
        )


if __name__ == "__main__":
    main()
