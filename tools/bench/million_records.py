"""A file of a million tiny records: time to open it, to describe it and to start a loader, and the memory it holds.

    tools/bench/million_records.py WORK_FOLDER

The records are those of a few hundred photographs, of many sizes, over and over, with class numbers and names. Every
figure is of a process of its own in which everything is imported and compiled before; the median of several.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

RESULTS = Path(__file__).parent / "results"
TILES, CLASSES = 300, 1000


def write_tiles(folder: Path) -> None:
    """Pieces of a photograph, of 12 to 32 pixels a side, no two sizes related."""
    photograph, generator = Image.fromarray(data.astronaut()), np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(TILES):
        (width, height), (left, top) = generator.integers(12, 33, 2).tolist(), generator.integers(0, 384, 2).tolist()
        piece = photograph.crop((left, top, left + 4 * width, top + 4 * height))
        piece.resize((width, height), Image.Resampling.LANCZOS).save(folder / f"{number:03}.png")


def write_file(path: Path, *, records: int) -> None:
    """``records`` records, those of the tiles over and over."""
    from inrformat import convert
    from inrformat.container.fields import FieldType
    from inrformat.container.metadata import Metadata
    from inrformat.container.reader import InrdReader
    from inrformat.container.writer import InrdWriter

    few = path.with_name("tiles.inrd")
    if not few.exists():
        write_tiles(path.with_name("tiles"))
        convert(path.with_name("tiles"), few)
    with InrdReader(few) as reader, InrdWriter(path) as writer:
        index, stored = reader.index, reader.records(range(len(reader)))
        psnr_db = [0.0] * len(reader) if index.psnr_db is None else index.psnr_db.tolist()
        for number in range(records):
            k = number % len(stored)
            size = {"height": int(index.heights[k]), "width": int(index.widths[k])}
            writer.add(stored[k], **size, network=int(index.networks[k]), psnr_db=psnr_db[k])
        writer.add_field("label", FieldType.INT64, np.arange(records) % CLASSES)
        writer.add_field("name", FieldType.UTF8, [f"{n % CLASSES:04}/{n:07}.png" for n in range(records)])
        classes = tuple(f"class {n:04}" for n in range(CLASSES))
        writer.finish(codebook=reader.codebook, metadata=Metadata(classes=classes))


def resident_bytes() -> int:
    """Memory in use in this process, on Linux; pages of a mapped file, which the system can take back, are left out."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free again, but kept by the allocator, is not in use
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])


def open_reader(path: str) -> Any:
    """Open the file."""
    from inrformat import InrdReader

    return InrdReader(path)


def open_dataset(path: str) -> Any:
    """Open the file as a data set."""
    from inrformat import InrdDataset

    return InrdDataset(path)


def start_loader(path: str, residency: str) -> Any:
    """Make a loader and its first batch."""
    from inrformat import InrdLoader

    loader = InrdLoader(path, 256, shuffle=True, size=(16, 16), device="cpu", residency=residency, prefetch=0)
    next(iter(loader))
    return loader


def describe(path: str) -> None:
    """``inrformat info``."""
    from inrformat.cli.main import main

    with redirect_stdout(StringIO()):
        main(["info", path])


STEPS: dict[str, Callable[[str], Any]] = {
    "open_reader": open_reader,
    "open_dataset": open_dataset,
    "info": describe,
    "start_loader_mmap": lambda path: start_loader(path, "mmap"),
    "start_loader_device": lambda path: start_loader(path, "device"),
}


def measure_step(step: str, path: Path, warm: Path) -> dict[str, float]:
    """Time and memory of one step in this process, after the same on the small file ``warm``."""
    STEPS[step](str(warm))
    before, start, cpu = resident_bytes(), time.perf_counter(), time.process_time()
    held = STEPS[step](str(path))
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    grown = resident_bytes() - before
    del held
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "held_bytes": grown}


def measure(path: Path, warm: Path, *, rounds: int, records: int) -> dict[str, dict[str, float]]:
    """Medians of each step over ``rounds`` processes."""
    results = {}
    for step in STEPS:
        command = [sys.executable, __file__, str(path.parent), "--step", step, "--records", str(records)]
        runs = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(rounds)]
        median = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        results[step] = {
            "seconds": round(median["seconds"], 3),
            "cpu_seconds": round(median["cpu_seconds"], 3),
            "held_bytes_per_record": round(median["held_bytes"] / records, 1),
        }
        print(step, results[step], file=sys.stderr)
    return results


def main() -> None:
    """Write the file where it is not there yet, measure, and store the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--step", choices=STEPS, help="measure this alone, in this process")
    parser.add_argument("--output", type=Path, default=RESULTS / "million_records.json")
    arguments = parser.parse_args()
    path, warm = arguments.folder / f"records-{arguments.records}.inrd", arguments.folder / "tiles.inrd"
    if arguments.step:
        print(json.dumps(measure_step(arguments.step, path, warm)))
        return
    if not path.exists():
        write_file(path, records=arguments.records)
    results = {
        "records": arguments.records,
        "file_bytes": path.stat().st_size,
        "rounds": arguments.rounds,
        "processor": platform.processor() or platform.machine(),
        "steps": measure(path, warm, rounds=arguments.rounds, records=arguments.records),
    }
    arguments.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
