"""How close a lifted Resize comes to torchvision's, bilinear and bicubic, on photographs.

    tools/bench/interpolation.py KODAK

Squares of 256 px are cut from the photographs, coded as ``cells`` of the default quality, and brought to 224, 128 and
384 px: by evaluating the networks, as a lifted ``v2.Resize`` does, and by ``v2.Resize`` of the decoded native pixels,
antialiased, with either interpolation. PSNR in dB, mean and least over the photographs.
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

from inrformat import Canvas, CellsOptions, decode
from inrformat.decoding.dispatch import decode_images
from inrformat.encoding.in_memory import encode_in_memory

RESULTS = Path(__file__).parent / "results"
SIDE, SIZES = 256, (224, 128, 384)


def squares(folder: Path) -> list[np.ndarray]:
    """The middle of every photograph, reduced to `SIDE`: uint8 ``(SIDE, SIDE, 3)``."""
    images = []
    for path in sorted(folder.glob("*.png")):
        image = Image.open(path).convert("RGB")
        short = min(image.size)
        left, top = (image.width - short) // 2, (image.height - short) // 2
        box = (left, top, left + short, top + short)
        images.append(np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box)))
    return images


def psnr_db(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(20 * torch.log10(255 / (one.double() - other.double()).square().mean().sqrt()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    records = encode_in_memory(squares(options.folder), CellsOptions()).records
    native = torch.stack(decode_images(records, range(len(records))))
    result: dict[str, Any] = {"photographs": len(records), "side_px": SIDE, "psnr_db": {}}
    for size in SIZES:
        sides = torch.full((len(records),), SIDE)
        lifted = decode(records, range(len(records)), Canvas.of(sides, sides).resize(size, size).geometry())
        bilinear, bicubic = (
            F.resize(native, [size, size], mode, antialias=True)
            for mode in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
        )
        pairs = {
            "lifted against bilinear": (lifted, bilinear),
            "lifted against bicubic": (lifted, bicubic),
            "bicubic against bilinear": (bicubic, bilinear),
        }
        of_size = {}
        for name, (one, other) in pairs.items():
            each = [psnr_db(a, b) for a, b in zip(one, other, strict=True)]
            of_size[name] = {"mean": round(float(np.mean(each)), 1), "least": round(min(each), 1)}
        result["psnr_db"][size] = of_size
        print(size, of_size)
    (RESULTS / "interpolation_kodak.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
