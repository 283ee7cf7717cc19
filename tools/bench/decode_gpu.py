"""The Triton decoder on a GPU, in one call: what must hold (``gpu_checks.py``), then how fast it is and why.

    python tools/bench/decode_gpu.py ../shared/data/kodak --train ../shared/data/clothing/train

Squares of 256 px are converted with `cells` and, a few of them, with `siren` 10x28. Measured, in bfloat16, normalised,
channels last: batches of RandomResizedCrop(224) and a flip, of native size, reduced to 112, and rotated. Beside them,
on the same device, torchvision's decode_jpeg (quality 90) alone and with v2's crop and normalisation, and raw bytes in
device memory with grid_sample. "read" and "evaluate" are the two halves of a decode; "replay" the same decode as a CUDA
graph. Fractions are of the time that the bytes (record in, pixels out) need at the measured copy bandwidth and that the
multiply-adds need at the measured bfloat16 rate (30 per pixel for `cells`, 200 where rotated, all of the network for
`siren`), to the time taken.

Without a GPU, checks run in Triton's interpreter, on little:

    TRITON_INTERPRET=1 python tools/bench/decode_gpu.py KODAK --train OTHERS --device cpu --images 2 --side 24 --batch 2
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import gpu_checks
import numpy as np
import torch
import triton
from decode import MEAN, RESULTS, STD, View, cells, grids, sirens, squares, theirs_raw, to_device, views
from PIL import Image
from torch import Tensor
from torchvision import __version__ as torchvision_version, io as torchvision_io
from torchvision.transforms.v2 import functional as F

from inrformat.decoding.geometry import Geometry
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.triton.launch import decode, read, render
from inrformat.decoding.triton.plan import plan_of
from inrformat.families.siren.descriptor import Siren

FORM = PixelFormat(torch.bfloat16, MEAN, STD, channels_last=True)


def seconds(way: Callable[[], Any], device: torch.device, *, passes: int) -> float:
    """Median time of a call, on a GPU by its own clock."""
    way()
    taken = []
    for _ in range(passes):
        if device.type != "cuda":
            start = time.perf_counter()
            way()
            taken.append(time.perf_counter() - start)
            continue
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin.record()
        way()
        end.record()
        torch.cuda.synchronize()
        taken.append(begin.elapsed_time(end) / 1000)
    return statistics.median(taken)


def machine_rates(device: torch.device, *, passes: int) -> dict[str, float]:
    """Copied bytes (read and written) and bfloat16 and float32 multiply-adds per second."""
    large = device.type == "cuda"
    source = torch.ones(1 << (30 if large else 24), dtype=torch.uint8, device=device)
    target, side = torch.empty_like(source), 8192 if large else 256
    rates = {"copy_bytes": 2 * source.numel() / seconds(lambda: target.copy_(source), device, passes=passes)}
    for name, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        square = torch.rand(side, side, device=device).to(dtype)
        product = partial(torch.matmul, square, square)
        rates[f"{name}_multiply_adds"] = side**3 / seconds(product, device, passes=passes)
    return rates


def floors(records: DeviceRecords, view: View, geometry: Geometry, rates: dict[str, float]) -> dict[str, float]:
    """Seconds that a batch's bytes and multiply-adds need at the measured rates."""
    pixels = len(geometry) * view.size**2
    moved = len(geometry) * float(records.lengths.double().mean()) + pixels * records.channels * FORM.dtype.itemsize
    each = 200 if any(view.angles) else 30
    if isinstance(records.networks[0], Siren):
        each = sum(a * b for a, b in pairwise(records.networks[0].widths))
    return {"bytes": moved / rates["copy_bytes"], "arithmetic": pixels * each / rates["bfloat16_multiply_adds"]}


def measure(
    records: DeviceRecords, rows: Tensor, view: View, rates: dict[str, float], *, passes: int
) -> dict[str, Any]:
    """Ours: whole, halves, as a graph, and against the floors."""
    side = int(records.shapes[0, 1])
    geometry = view.geometry(side).to(records.device)
    plan, out = plan_of(records), FORM.empty((len(rows), records.channels, view.size, view.size), records.device)
    scratch = plan.scratch(min(len(rows), plan.part(len(rows))))
    part = slice(0, scratch.batch)

    def whole() -> None:
        decode(records, rows, geometry, FORM, out=out)

    def evaluate() -> None:
        render(
            plan,
            records,
            rows=rows[part],
            scratch=scratch,
            geometry=geometry[part],
            pixels=FORM,
            out=out[part],
            precision="fast",
        )

    def read_records() -> None:
        read(plan, records, rows=rows[part], scratch=scratch)

    halves = len(rows) / min(len(rows), scratch.batch)
    taken = {
        "decode": seconds(whole, records.device, passes=passes),
        "read": halves * seconds(read_records, records.device, passes=passes),
        "evaluate": halves * seconds(evaluate, records.device, passes=passes),
        "decode of new maps": seconds(
            lambda: decode(records, rows, view.geometry(side).to(records.device), FORM), records.device, passes=passes
        ),
    }
    if records.device.type == "cuda":
        found = gpu_checks.graph(records, rows, geometry, FORM)
        taken["replay"] = seconds(found["replay"], records.device, passes=passes)
    least = floors(records, view, geometry, rates)
    return {
        "seconds": taken,
        "images_per_second": {name: len(rows) / t for name, t in taken.items()},
        "floor_seconds": least,
        "fractions": {name: t / taken["decode"] for name, t in least.items()},
    }


def rivals(
    images: list[np.ndarray], rows: Tensor, view: View, device: torch.device, *, passes: int
) -> dict[str, float]:
    """Images a second of what a torchvision user has on that device."""
    data = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=90)
        data.append(torch.frombuffer(bytearray(file.getvalue()), dtype=torch.uint8))
    batch = [data[row] for row in rows.tolist()]
    raw = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().to(device)[rows]
    side = images[0].shape[0]
    grid = grids(view.geometry(side), side).to(device)

    def decoded() -> list[Tensor]:
        if device.type == "cuda":
            return list(torchvision_io.decode_jpeg(batch, device=device))
        return [torchvision_io.decode_jpeg(j) for j in batch]

    def transformed() -> Any:
        stack = torch.stack([view.torchvision(image, k) for k, image in enumerate(decoded())])
        stack = F.normalize(F.to_dtype(stack, torch.float32, scale=True), MEAN, STD).as_subclass(Tensor)
        return stack.to(torch.bfloat16, memory_format=torch.channels_last)

    def sampled() -> Tensor:
        return theirs_raw(raw, view, grid).to(torch.bfloat16, memory_format=torch.channels_last)

    ways = {"decode_jpeg alone": decoded, "decode_jpeg and v2": transformed, "raw and grid_sample": sampled}
    return {name: len(rows) / seconds(way, device, passes=passes) for name, way in ways.items()}


def checks(records: DeviceRecords, rows: Tensor, view: View, *, size: int) -> dict[str, Any]:
    """All checks; those of streams, graphs and memory need a GPU."""
    few = rows[: min(len(rows), 6)]
    found = {
        "parity": gpu_checks.parity(records, few, size),
        "damage": gpu_checks.damage(records, few, size),
    }
    if records.device.type == "cuda":
        geometry = view.geometry(int(records.shapes[0, 1])).to(records.device)
        found["memory"] = gpu_checks.memory(records, rows, geometry, FORM)
        found["side streams"] = gpu_checks.side_streams(records, rows, geometry, FORM)
        captured = gpu_checks.graph(records, rows, geometry, FORM)
        found["graph"] = {"passed": captured["passed"]}
    return found


def report(title: str, values: dict[str, Any]) -> None:
    """One line a value."""
    print(f"{title}:", flush=True)
    for name, value in values.items():
        print(f"  {name:<32}{value if isinstance(value, (dict, bool)) else format(value, '14.4g')}", flush=True)


def main() -> None:
    """Check, measure and write the result file; ends with an error where a check failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--train", type=Path, required=True, help="other photographs, to learn the codebook from")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--images", type=int, default=None, help="photographs, at most")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1.0, metavar="BPP")
    parser.add_argument("--passes", type=int, default=20)
    parser.add_argument("--siren-images", type=int, default=4)
    parser.add_argument("--siren-steps", type=int, default=100, help="decoding takes as long whatever the fit")
    parser.add_argument("--name", default="decode_gpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    images = squares(arguments.photographs, arguments.side, arguments.images)
    training = squares(arguments.train, arguments.side, 100 if arguments.images is None else arguments.images)
    few = images[: arguments.siren_images]
    result: dict[str, Any] = {
        "command": "python tools/bench/decode_gpu.py PHOTOGRAPHS --train OTHERS",
        "machine": f"{platform.machine()}, torch {torch.__version__}, torchvision {torchvision_version}, "
        f"triton {triton.__version__}",
        "gpu": torch.cuda.get_device_name() if device.type == "cuda" else None,
        "batch": arguments.batch,
        "side_px": arguments.side,
        "rates_per_second": machine_rates(device, passes=arguments.passes),
        "checks": {},
        "table": [],
    }
    report("measured rates per second", result["rates_per_second"])
    families = (
        ("cells", cells(images, training, arguments.rate), images),
        ("siren 10x28", sirens(few, arguments.siren_steps), few),
    )
    for family, (local, psnr), some in families:
        records = to_device(local, device)
        rate = 8 * float(local.lengths.sum()) / (len(some) * arguments.side**2)
        print(f"{family}: {len(some)} images, {rate:.2f} bits per pixel, {psnr:.1f} dB", flush=True)
        rows = torch.arange(arguments.batch, device=device) % len(some)
        looks = views(arguments.side, arguments.batch)
        found = checks(records, rows, looks[1], size=min(arguments.side, 96 if device.type == "cuda" else 8))
        result["checks"][family] = found
        for name, check in found.items():
            report(f"{family}, {name}", check)
        for view in looks if device.type == "cuda" else []:
            entry = {"family": family, "view": view.name, "rate_bpp": rate, "psnr_db": psnr}
            entry |= measure(records, rows, view, result["rates_per_second"], passes=arguments.passes)
            entry["rivals_images_per_second"] = rivals(some, rows, view, device, passes=max(arguments.passes // 4, 3))
            result["table"].append(entry)
            report(f"{family}, {view.name}, images per second", entry["images_per_second"])
            report("  beside", entry["rivals_images_per_second"])
            report("  fractions of the floors", entry["fractions"])
    failed = [f"{f}: {n}" for f, found in result["checks"].items() for n, c in found.items() if not c["passed"]]
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{arguments.name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {path}")
    if failed:
        raise SystemExit(f"checks that failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
