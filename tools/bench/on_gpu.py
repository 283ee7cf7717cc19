"""Everything that only a GPU can tell, in one call that takes less than nine minutes and needs no network.

    python tools/bench/on_gpu.py prepare PHOTOGRAPHS bundle       once, anywhere: files to carry along, 60 MB at most
    python tools/bench/on_gpu.py run bundle                       on the machine with the GPU
    python tools/bench/on_gpu.py run bundle --only parity graphs  some sections
    python tools/bench/on_gpu.py predict bundle                   without a GPU: what to expect (``gpu/predict.py``)

``run`` needs torch, torchvision, Triton and numba; what else is missing there can be carried in the bundle as wheels
(``prepare --wheels``), which ``run`` finds by itself. Every section (a file of ``gpu/sections``) runs in a process of
its own, so that none takes others with it, and for a limited time. What it finds is a line of JSON each in
``bundle/findings.jsonl`` as soon as it is found; the last lines printed are a table of the main figures and the checks.

Without a GPU a bundle of a few tiny images shows that everything runs (streams, graphs and synchronisation apart):

    python tools/bench/on_gpu.py prepare PHOTOGRAPHS tiny --images 1 --side 8 --siren-images 1 --siren-side 8
    TRITON_INTERPRET=1 python tools/bench/on_gpu.py run tiny --device cpu
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # for kernel_report and machine_code

from gpu import journal
from gpu.table import table

SECTIONS = {
    "machine": 30,
    "parity": 75,
    "decoding": 75,
    "kernels": 45,
    "loading": 60,
    "waiting": 40,
    "graphs": 40,
    "streams": 40,
    "training": 75,
    "rivals": 60,
    "residency": 60,
    "far_records": 40,
    "memory": 60,
    "damage": 60,
    "encoding": 90,
}
"""Seconds that each may take on a GPU, in the order in which they run: what matters most comes first."""
FINDINGS = "findings.jsonl"


def run(folder: Path, *, device: str, only: list[str], total_seconds: float) -> int:
    """Run sections until the time is over; returns how many checks and sections failed."""
    path = folder / FINDINGS
    path.unlink(missing_ok=True)
    end = time.monotonic() + total_seconds
    for section in only or SECTIONS:
        remaining = end - time.monotonic()
        if remaining <= 0:
            journal.write(path, section, {"what": "left out", "error": "no time was left"})
            continue
        start = time.monotonic()
        limit = min(SECTIONS[section], remaining) if device == "cuda" else remaining
        failure = _run_section(folder, section, device=device, seconds=limit)
        if failure:
            journal.write(path, section, {"what": "ended early", "error": failure})
        journal.write(path, section, {"what": "took", "seconds": round(time.monotonic() - start, 1)})
    findings = journal.read(path)
    print("\n" + "\n".join(table(findings)))
    return sum(1 for f in findings if f.get("passed") is False or f["what"] in {"ended early", "left out"})


def _run_section(folder: Path, section: str, *, device: str, seconds: float) -> str:
    """What went wrong, or nothing."""
    here = Path(__file__).resolve()
    wheels = sorted(map(str, folder.glob("wheels/*")))
    paths = [str(here.parents[2]), *wheels, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, str(here), "section", section, str(folder), "--device", device]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            _, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            return f"took longer than {seconds:.0f} s"
    return "" if process.returncode == 0 else errors.strip()[-2000:]


def run_section(folder: Path, section: str, *, device: str) -> None:
    """In a process of its own: write down what the section finds."""
    from importlib import import_module

    import torch
    from gpu.setting import FULL, TINY, Setting

    setting = Setting(folder, torch.device(device), FULL if device == "cuda" else TINY)
    for finding in import_module(f"gpu.sections.{section}").measure(setting):
        journal.write(folder / FINDINGS, section, finding)


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare", help="make the folder to carry along")
    preparing.add_argument("photographs", type=Path, help="a folder of images, or of folders of them by class")
    preparing.add_argument("folder", type=Path)
    preparing.add_argument("--images", type=int, default=1024)
    preparing.add_argument("--side", type=int, default=256)
    preparing.add_argument("--quality", type=float, default=60.0, help="of cells; 60 is about 1 bit per pixel")
    preparing.add_argument("--siren-images", type=int, default=8)
    preparing.add_argument("--siren-side", type=int, default=224)
    preparing.add_argument("--siren-hidden", type=int, nargs=2, default=(10, 28), metavar=("LAYERS", "UNITS"))
    preparing.add_argument("--siren-steps", type=int, default=100, help="decoding takes as long whatever the fit")
    preparing.add_argument("--wheels", type=Path, nargs="*", default=[], help="packages that are missing there")
    running = commands.add_parser("run", help="measure everything")
    running.add_argument("folder", type=Path)
    running.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    running.add_argument("--only", nargs="+", default=[], choices=SECTIONS)
    running.add_argument("--seconds", type=float, default=530.0, help="in all")
    predicting = commands.add_parser("predict", help="calculate what to expect")
    predicting.add_argument("folder", type=Path)
    one = commands.add_parser("section", help="what run calls for each section")
    one.add_argument("section", choices=SECTIONS)
    one.add_argument("folder", type=Path)
    one.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    tracing = commands.add_parser("trace", help="what predict calls in Triton's interpreter")
    tracing.add_argument("folder", type=Path)
    tracing.add_argument("output", type=Path)
    return top


def main() -> None:
    """Do what the command line says; ``run`` ends with an error where a check or a section failed."""
    arguments = parser().parse_args()
    match arguments.command:
        case "prepare":
            _prepare(arguments)
        case "run":
            options = {"device": arguments.device, "only": arguments.only, "total_seconds": arguments.seconds}
            raise SystemExit(bool(run(arguments.folder, **options)))
        case "section":
            run_section(arguments.folder, arguments.section, device=arguments.device)
        case "predict":
            from gpu.predict import predict

            predict(arguments.folder)
        case "trace":
            from gpu.predict import trace

            trace(arguments.folder, arguments.output)


def _prepare(arguments: argparse.Namespace) -> None:
    from gpu.prepare import Amounts, prepare

    amounts = Amounts(
        images=arguments.images,
        side=arguments.side,
        quality=arguments.quality,
        siren_images=arguments.siren_images,
        siren_side=arguments.siren_side,
        siren_hidden=tuple(arguments.siren_hidden),
        siren_steps=arguments.siren_steps,
    )
    prepare(arguments.photographs, arguments.folder, amounts, wheels=arguments.wheels)


if __name__ == "__main__":
    main()
