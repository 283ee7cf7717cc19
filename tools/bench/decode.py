"""Decoding to training batches: ours beside what a torchvision user has, on the same photographs in one run.

    python tools/bench/decode.py ../shared/data/kodak --train ../shared/data/clothing/train

Photographs are cut to squares of --side px and converted with `cells` at about --rate bits per pixel and, a few of
them, with `siren` 10x28; the rivals get the same pixels as JPEG of quality 90. Every way gives normalised float32
batches of the same crops, drawn beforehand: ours by backend; Pillow and v2 transforms; torchvision's decode_jpeg and
v2; raw bytes in memory and grid_sample. Passes take turns, the median counts. "floor" is the time that the bytes
(record in, pixels out) need at the measured copy bandwidth or the multiply-adds at the measured rate of matrix
products, whichever is longer; multiply-adds are 30 per pixel for `cells` on aligned maps, 200 on others, and all that
the network has for `siren`.

With a CUDA device the same is measured there, with decode_jpeg on the device.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional
from PIL import Image
from torch import Tensor
from torchvision import io as torchvision_io
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from inrformat.conversion.reading import images_of
from inrformat.conversion.sources.folder import scan_folder
from inrformat.conversion.sources.source import limited
from inrformat.decoding import dispatch
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.geometry import Geometry
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import DeviceRecords
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.families.cells.encoder.options import CellsOptions
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.encoder.options import Pruning, SirenOptions

RESULTS = Path(__file__).parent / "results"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CPU = torch.device("cpu")


@dataclass(frozen=True)
class View:
    """One geometry as every way of decoding states it: a box of the source, an output size, flips, an angle."""

    name: str
    boxes: list[tuple[int, int, int, int]]  # top, left, height, width
    size: int
    flips: list[bool]
    angles: list[float]

    def geometry(self, side: int) -> Geometry:
        """Ours."""
        count = len(self.boxes)
        top, left, height, width = torch.tensor(self.boxes, dtype=torch.float64).unbind(1)
        canvas = Canvas.of([side] * count, [side] * count).crop(top, left, height, width).resize(self.size, self.size)
        canvas = canvas.horizontal_flip(torch.tensor(self.flips))
        if any(self.angles):
            canvas = canvas.rotate(torch.tensor(self.angles))
        return canvas.geometry()

    def torchvision(self, image: Any, k: int) -> Any:
        """Theirs, on a Pillow image or a uint8 tensor."""
        image = F.resized_crop(image, *self.boxes[k], [self.size, self.size], antialias=True)
        image = F.horizontal_flip(image) if self.flips[k] else image
        return F.rotate(image, self.angles[k], InterpolationMode.BILINEAR) if self.angles[k] else image


def views(side: int, count: int, *, size: int = 224) -> list[View]:
    """Geometries of interest for ``count`` square images; names are those of the usual ``size``."""
    rng = np.random.default_rng(0)
    blank = torch.zeros(3, side, side)
    draw = v2.RandomResizedCrop(size)
    torch.manual_seed(0)
    boxes = [tuple(draw.make_params([blank])[n] for n in ("top", "left", "height", "width")) for _ in range(count)]
    whole = [(0, 0, side, side)] * count
    none, still = [False] * count, [0.0] * count
    flips = (rng.random(count) < 0.5).tolist()
    return [
        View("native", whole, side, none, still),
        View("random resized crop 224, flip", boxes, size, flips, still),
        View("resize 112", whole, size // 2, none, still),
        View("random resized crop 224, rotate", boxes, size, none, rng.uniform(-30, 30, count).tolist()),
    ]


def theirs_pil(jpegs: list[bytes], view: View) -> Tensor:
    """Pillow decoding and v2 transforms, image by image, as ImageFolder and a DataLoader's collate do."""
    images = []
    for k, data in enumerate(jpegs):
        image = view.torchvision(Image.open(io.BytesIO(data)).convert("RGB"), k)
        images.append(F.normalize(F.to_dtype(F.pil_to_tensor(image), torch.float32, scale=True), MEAN, STD))
    return torch.stack(images)


def theirs_tensor(jpegs: list[Tensor], view: View, device: torch.device) -> Tensor:
    """torchvision's decode_jpeg and v2 on tensors."""
    if device.type == "cuda":
        decoded = torchvision_io.decode_jpeg(jpegs, device=device)
    else:
        decoded = [torchvision_io.decode_jpeg(j) for j in jpegs]
    images = torch.stack([view.torchvision(image, k) for k, image in enumerate(decoded)])
    normalised: Tensor = F.normalize(F.to_dtype(images, torch.float32, scale=True), MEAN, STD)
    return normalised


def theirs_raw(raw: Tensor, view: View, grid: Tensor) -> Tensor:
    """Raw bytes in memory and grid_sample, which does not antialias."""
    images = torch.nn.functional.grid_sample(raw.float() / 255, grid, align_corners=False)
    normalised: Tensor = F.normalize(images, MEAN, STD)
    return normalised


def grids(geometry: Geometry, side: int) -> Tensor:
    """Positions of ``grid_sample`` for a geometry."""
    height, width = geometry.size
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], dim=-1).double().flatten(0, 1)  # (N, 3)
    at = (points @ geometry.matrices.mT)[..., :2] * 2 / side - 1
    return at.reshape(len(geometry), height, width, 2).float()


def timed(ways: dict[str, Callable[[], Tensor]], *, count: int, passes: int, cuda: bool) -> dict[str, float]:
    """Images per second of each way: passes take turns, the median counts."""
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(passes):
        for name, way in ways.items():
            if cuda:
                torch.cuda.synchronize()
            start = time.perf_counter()
            way()
            if cuda:
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
    return {name: count / statistics.median(values) for name, values in seconds.items()}


def machine_rates(device: torch.device) -> dict[str, float]:
    """Copied bytes (read and written) and float32 multiply-adds per second."""
    source = torch.empty(1 << 28, dtype=torch.uint8, device=device).fill_(1)
    target = torch.empty_like(source)
    square = torch.rand(2048, 2048, device=device)
    once = timed(
        {"copy": lambda: target.copy_(source), "product": lambda: square @ square},
        count=1,
        passes=5,
        cuda=device.type == "cuda",
    )
    return {
        "copy_bytes_per_second": once["copy"] * 2 * source.numel(),
        "multiply_adds_per_second": once["product"] * 2048**3,
    }


def floor_seconds(records: DeviceRecords, view: View, rates: dict[str, float]) -> float:
    """The least time that one image needs, by the two numbers."""
    pixels = view.size**2
    moved = float(records.lengths.double().mean()) + pixels * 3 * 4
    network = records.networks[0]
    per_pixel = 200 if any(view.angles) else 30
    if isinstance(network, Siren):
        per_pixel = sum(a * b for a, b in pairwise(network.widths))
    return max(moved / rates["copy_bytes_per_second"], pixels * per_pixel / rates["multiply_adds_per_second"])


def squares(folder: Path, side: int, count: int | None) -> list[np.ndarray]:
    """Middle squares of the photographs of a folder."""
    images = []
    source = limited(scan_folder(folder), count)
    for pixels in images_of(source):
        image = Image.fromarray(pixels)
        image = F.center_crop(F.resize(image, [side], InterpolationMode.LANCZOS), [side, side])
        images.append(np.asarray(image))
    return images


def cells(images: list[np.ndarray], training: list[np.ndarray], rate_bpp: float) -> tuple[DeviceRecords, float]:
    """Records of `cells` near a rate, and their mean PSNR."""
    low, high = 20.0, 95.0
    while high - low > 1:
        quality = (low + high) / 2
        encoded = encode_in_memory(images, CellsOptions(quality=quality), sample=training)
        low, high = (quality, high) if encoded.rate_bpp < rate_bpp else (low, quality)
    return encoded.records, encoded.mean_psnr_db


def sirens(images: list[np.ndarray], steps: int) -> tuple[DeviceRecords, float]:
    """Records of `siren` 10x28, and their mean PSNR."""
    options = SirenOptions(hidden=(10, 28), steps=steps, pruning=Pruning.NONE, shared_base=False)
    encoded = encode_in_memory(images, options)
    return encoded.records, encoded.mean_psnr_db


def measure(
    family: str, records: DeviceRecords, images: list[np.ndarray], *, device: torch.device, passes: int, slow: bool
) -> list[dict[str, Any]]:
    """All ways for one family on one device."""
    count, side = len(images), images[0].shape[0]
    data = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=90)
        data.append(file.getvalue())
    tensors = [torch.frombuffer(bytearray(d), dtype=torch.uint8) for d in data]
    raw = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().to(device)
    rates = machine_rates(device)
    form = PixelFormat(torch.float32, MEAN, STD)
    rows = torch.arange(count, device=device)
    fast = dispatch.backend_for(device).name
    table = []
    for view in views(side, count):
        grid = grids(view.geometry(side), side).to(device)

        def ours(backend: str, view: View = view) -> Tensor:
            return dispatch.decode(records, rows, view.geometry(side).to(device), form, backend=backend)

        ways: dict[str, Callable[[], Tensor]] = {
            f"ours, {fast}": partial(ours, fast),
            "torchvision, PIL": partial(theirs_pil, data, view),
            "torchvision, decode_jpeg": partial(theirs_tensor, tensors, view, device),
            "raw and grid_sample": partial(theirs_raw, raw, view, grid),
        }
        if slow:
            ways["ours, reference"] = partial(ours, "reference")
        speeds = timed(ways, count=count, passes=passes, cuda=device.type == "cuda")
        best = speeds[f"ours, {fast}"]
        entry = {
            "family": family,
            "device": device.type,
            "threads": torch.get_num_threads(),
            "view": view.name,
            "images_per_second": speeds,
            "ratios": {name: best / speed for name, speed in speeds.items()},
            "floor_fraction": floor_seconds(records, view, rates) * best,
            "copy_bytes_per_second": rates["copy_bytes_per_second"],
            "multiply_adds_per_second": rates["multiply_adds_per_second"],
        }
        table.append(entry)
        print_entry(entry)
    return table


def print_entry(entry: dict[str, Any]) -> None:
    """One line a way."""
    print(f"{entry['family']} on {entry['device']} ({entry['threads']} threads), {entry['view']}:", flush=True)
    for name, speed in entry["images_per_second"].items():
        print(f"  {name:<28}{speed:>10.1f} images/s   ours is {entry['ratios'][name]:.2f}x")
    print(f"  the floor takes {100 * entry['floor_fraction']:.1f} % of our time")


def main() -> None:
    """Run everything and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--train", type=Path, required=True, help="other photographs, to learn the codebook from")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rate", type=float, default=1.0, metavar="BPP")
    parser.add_argument("--passes", type=int, default=7)
    parser.add_argument("--siren-images", type=int, default=4)
    parser.add_argument("--siren-steps", type=int, default=300, help="decoding takes as long whatever the fit")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--name", default="decode")
    arguments = parser.parse_args()
    images = squares(arguments.photographs, arguments.side, None)
    training = squares(arguments.train, arguments.side, 100)
    local, psnr = cells(images, training, arguments.rate)
    rate = 8 * float(local.lengths.sum()) / (len(images) * arguments.side**2)
    print(f"{len(images)} photographs of {arguments.side} px; cells: {rate:.2f} bits per pixel, {psnr:.1f} dB")
    few = images[: arguments.siren_images]
    global_, siren_psnr = sirens(few, arguments.siren_steps)
    devices = [CPU, *([torch.device("cuda")] if torch.cuda.is_available() else [])]
    table = []
    for device in devices:
        for threads in arguments.threads if device.type == "cpu" else [torch.get_num_threads()]:
            torch.set_num_threads(threads)
            for family, records, some in (("cells", local, images), ("siren 10x28", global_, few)):
                on_device = to_device(records, device)
                slow = threads == arguments.threads[0] and family == "cells"
                table += measure(family, on_device, some, device=device, passes=arguments.passes, slow=slow)
    result = {
        "command": "python tools/bench/decode.py PHOTOGRAPHS --train OTHERS",
        "machine": f"{platform.machine()}, {platform.processor() or 'unknown processor'}, torch {torch.__version__}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "images": len(images),
        "side_px": arguments.side,
        "cells_rate_bpp": rate,
        "cells_psnr_db": psnr,
        "siren_images": len(few),
        "siren_psnr_db": siren_psnr,
        "table": table,
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{arguments.name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"wrote {path}")


def to_device(records: DeviceRecords, device: torch.device) -> DeviceRecords:
    """The same records elsewhere."""
    return DeviceRecords.of(
        records.words.cpu().numpy(),
        offsets=records.offsets.cpu().numpy(),
        lengths=records.lengths.cpu().numpy(),
        shapes=records.shapes.cpu().numpy(),
        codebook=records.codebook,
        device=device,
    )


if __name__ == "__main__":
    main()
