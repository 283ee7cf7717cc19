"""Zooming in 2x: files of pictures at half size, decoded at full size, against the true picture; in PSNR-RGB.

    inrformat convert ../shared/data/kodak cells.inrd --size 256
    inrformat convert ../shared/data/kodak siren.inrd --size 256 --network siren --preset paper-224 --limit 8
    python tools/bench/zoom.py ../shared/data/kodak cells.inrd siren.inrd

The truth has a short side of 512 px (photographs of Kodak do as they are); what was converted, of 256 px. Both come
from Pillow's Lanczos filter (``load_image``), because it keeps most of what half the pixels can hold and is what
``convert --size`` does. Rivals enlarge the same file's picture as decoded at its native size: Pillow's bilinear,
bicubic (a = -0.5) and Lanczos, and torch's bicubic (a = -0.75, ``v2.Resize`` with ``antialias=False``). All ways start
from and end in bytes. Means are over images. Writes results/zoom_NAME.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from inrformat import InrdDataset
from inrformat.conversion.pixels.read import load_image
from inrformat.encoding.record import psnr_db

RESULTS = Path(__file__).parent / "results"
PILLOW = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic, a = -0.5": Image.Resampling.BICUBIC,
    "Lanczos": Image.Resampling.LANCZOS,
}


def enlarged(native: torch.Tensor, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """The rivals' pictures, uint8 ``(height, width, 3)``, of one uint8 ``(3, h, w)``."""
    small = Image.fromarray(native.permute(1, 2, 0).numpy())
    pictures = {name: np.asarray(small.resize(size[::-1], kind)) for name, kind in PILLOW.items()}
    large = F.resize(native, list(size), InterpolationMode.BICUBIC, antialias=False)
    return {**pictures, "bicubic, a = -0.75": large.permute(1, 2, 0).numpy()}


def measured(file: Path, photographs: Path, side: int) -> dict[str, Any]:
    """Every way's PSNR on every image of a file."""
    small, large = InrdDataset(file), InrdDataset(file, size=side)
    names = small.reader.text_field("name") or ()
    images: list[dict[str, Any]] = []
    for number in range(len(small)):
        name = names[number]
        truth = load_image(photographs / name, size=side)
        native = small[number][0]
        if 2 * min(native.shape[1:]) != side:
            raise SystemExit(f"{file}: {name} has {tuple(native.shape[1:])} px; convert with --size {side // 2}")
        ours = large[number][0].permute(1, 2, 0).numpy()
        rivals = enlarged(torch.as_tensor(native), truth.shape[:2])
        ways = {"ours": ours, **rivals}
        images.append({"name": name, "psnr_db": {way: psnr_db(p, truth) for way, p in ways.items()}})
    index = small.reader.index
    mean = {way: float(np.mean([i["psnr_db"][way] for i in images])) for way in images[0]["psnr_db"]}
    return {
        "file": file.name,
        "rate_bpp": 8 * file.stat().st_size / int((index.heights * index.widths).sum()),
        "native_psnr_db": None if index.psnr_db is None else float(index.psnr_db.mean()),
        "mean_psnr_db": mean,
        "images": images,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--side", type=int, default=512, help="short side of the truth, px")
    parser.add_argument("--name", default="kodak")
    arguments = parser.parse_args()
    reports = [measured(file, arguments.photographs, arguments.side) for file in arguments.files]
    for report in reports:
        images = report["images"]
        print(f"{report['file']}: {len(images)} images, {report['rate_bpp']:.2f} bpp")
        for way, mean in report["mean_psnr_db"].items():
            behind = sum(i["psnr_db"][way] < i["psnr_db"]["ours"] for i in images)
            print(f"  {way:<20}{mean:7.2f} dB   ours is nearer in {behind}")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"zoom_{arguments.name}.json").write_text(json.dumps({"files": reports}, indent=1) + "\n")


if __name__ == "__main__":
    main()
