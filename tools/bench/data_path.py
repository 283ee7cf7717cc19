"""Time of an epoch's data path, without a model: ImageFolder and DataLoader against InrdLoader, and memory held.

    tools/bench/data_path.py FOLDER FILE.inrd --size 224 --processes 1 2
    tools/bench/data_path.py FOLDER FILE.inrd --size 32 --batches 10000
    tools/bench/data_path.py PHOTOGRAPHS WORK/256.inrd --squares 256 --bpp 1 --processes 1 2

The last makes its sources first: squares cut from photographs, as JPEGs of quality 90 for one side and, from the
same pixels, a file of so many bits per pixel for the other; both are kept beside FILE for the next run.
Both take the pipeline of ``tools/train.py``. With N processes the DataLoader has N workers (none for 1: it then works
in this process) and each process one thread; InrdLoader has one process with N decoding threads. Runs alternate; the
median of each is reported. ``--batches`` runs that many batches of InrdLoader and reports memory and open handles.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from train import make_loader

RESULTS = Path(__file__).parent / "results"


def make_squares(photographs: Path, file: Path, *, side: int, bpp: float) -> Path:
    """The folder of JPEGs; ``file`` is converted from the same squares without loss."""
    jpegs, pngs = file.with_name(f"{file.stem}_jpeg"), file.with_name(f"{file.stem}_png")
    if file.exists() and jpegs.exists():
        return jpegs
    count = 0
    for path in sorted(p for p in photographs.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
        image = Image.open(path).convert("RGB")
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        square = image.resize((side, side), Image.Resampling.LANCZOS, (left, top, left + short, top + short))
        name = path.relative_to(photographs)
        for folder in (jpegs, pngs):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        square.save((jpegs / name).with_suffix(".jpg"), quality=90)
        square.save((pngs / name).with_suffix(".png"), compress_level=1)
        count += 1
    target = f"{round(count * side * side * bpp / 8)}"
    command = [sys.executable, "-m", "inrformat", "convert", str(pngs), str(file), "--target-size", target]
    subprocess.run(command, check=True)
    return jpegs


def epoch_seconds(loader: Any) -> tuple[float, int]:
    began = time.perf_counter()
    count = sum(len(images) for images, _ in loader)
    return time.perf_counter() - began, count


def compared(options: argparse.Namespace, processes: int) -> dict[str, Any]:
    """Median images per second of both, and their ratio."""
    torch.set_num_threads(processes)
    shared = {"size": options.size, "batch_size": options.batch_size, "training": True, "device": options.device}
    workers = 0 if processes == 1 else processes
    loaders = {
        "image_folder": make_loader(options.folder, workers=workers, **shared)[0],
        "inrd": make_loader(options.file, **shared)[0],
    }
    for loader in loaders.values():
        epoch_seconds(loader)  # workers started, kernels compiled, files cached
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(options.repeats):
        for name, loader in loaders.items():
            seconds, count = epoch_seconds(loader)
            rates[name].append(count / seconds)
    medians = {name: statistics.median(r) for name, r in rates.items()}
    ratio = medians["inrd"] / medians["image_folder"]
    print(f"{processes} process(es): {medians} images/s, ratio {ratio:.2f}", flush=True)
    return {"processes": processes, "images_per_second": rates, "median": medians, "ratio": ratio}


def held(device: str) -> dict[str, int]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "resident_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "open_files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "device_bytes": torch.cuda.memory_allocated() if device != "cpu" else 0,
    }


def many_batches(options: argparse.Namespace) -> dict[str, Any]:
    loader, _ = make_loader(
        options.file, size=options.size, batch_size=options.batch_size, training=True, device=options.device
    )
    done = 0
    marks: list[dict[str, int]] = []
    while done < options.batches:
        for _ in loader:
            done += 1
        if not marks or done >= len(marks) * options.batches // 10:
            marks.append({"batches": done, **held(options.device)})
            print(marks[-1], flush=True)
    return {"batches": done, "marks": marks}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--processes", type=int, nargs="*", default=[])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batches", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--name", default="data_path", help="of the result file")
    parser.add_argument("--squares", type=int, metavar="PX", help="cut FOLDER's photographs to squares, convert these")
    parser.add_argument("--bpp", type=float, default=1.0, help="bits per pixel of FILE, with --squares")
    options = parser.parse_args()
    source = options.folder
    if options.squares:
        options.folder = make_squares(source, options.file, side=options.squares, bpp=options.bpp)
    result: dict[str, Any] = {"machine": platform.machine(), "cpus": os.cpu_count(), "torch": torch.__version__}
    result |= {"size": options.size, "batch_size": options.batch_size, "source": f"{source.parent.name}/{source.name}"}
    if options.squares:
        result |= {"squares_px": options.squares, "bpp": options.bpp}
    result["compared"] = [compared(options, n) for n in options.processes]
    if options.batches:
        result["many_batches"] = many_batches(options)
    (RESULTS / f"{options.name}.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
