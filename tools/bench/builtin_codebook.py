"""Whole files of few images: codebook learned and stored, built-in and named, and the encoder's choice of the two.

    python tools/bench/builtin_codebook.py

Kodak at short side 256 in sets of 1 to 24, whole Kodak pictures one by one, CIFAR-10 test images in sets of 1 to 256,
from ../shared/data, neither of which the built-in codebooks were learned from. All means are over the sets of a row.
Changes are of file bytes at equal PSNR: the difference in squared error is counted as bytes at the encoder's own
lambda, which is the slope of its rate-distortion curve there. One picture is also compared with WebP (method 6) at
the PSNR ours has, between its qualities. Seconds are of one thread; those of `learned` leave out the learning.
Writes JSON to results/.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rate_distortion import RESULTS, learned_from, rival_curve

from inrformat.container.reader import InrdReader
from inrformat.conversion.pixels.read import load_image
from inrformat.conversion.plan import ConversionPlan, convert_with
from inrformat.conversion.reading import images_of
from inrformat.conversion.sources.folder import scan_folder
from inrformat.conversion.sources.source import Subset
from inrformat.families.cells.encoder.encoder import CellsEncoder
from inrformat.families.cells.encoder.options import CellsOptions, step_of_quality
from inrformat.families.cells.encoder.rate_distortion import LAMBDA

RESULT = RESULTS / "builtin_codebook.json"
DATA = Path(__file__).resolve().parents[2] / "../shared/data"
QUALITIES = (50.0, 70.0, 90.0)
WEBP = tuple(range(10, 101, 6)), {"format": "WEBP", "method": 6}
Images = list[np.ndarray]


def sets() -> dict[str, list[Images]]:
    """The sets of images of each row, by name."""
    kodak = sorted((DATA / "kodak").glob("*.png"))
    small = [load_image(path, size=256) for path in kodak]
    rows = {f"kodak256 x {n}": [small[i : i + n] for i in range(0, 24, n)][:6] for n in (1, 2, 4, 8, 24)}
    rows["kodak 768x512 x 1"] = [[load_image(path)] for path in kodak[2::8]]
    cifar = scan_folder(DATA / "cifar10/test")
    order = np.random.default_rng(3).permutation(len(cifar.names))
    for n, count in ((1, 8), (16, 6), (256, 1)):
        chosen = order[: n * count].reshape(count, n)
        rows[f"cifar10 x {n}"] = [list(images_of(Subset(cifar, part.tolist()))) for part in chosen]
    return rows


def file_of(images: Images, encoder: CellsEncoder) -> dict[str, Any]:
    """What the file of these images is like: bytes, squared error in units of the step, PSNR, codebook's name."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "images", Path(scratch) / "out.inrd"
        folder.mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(folder / f"{number:06d}.png", compress_level=1)
        summary = convert_with(encoder, ConversionPlan(source=scan_folder(folder)), out)
        with InrdReader(out) as reader:
            psnrs, name = np.asarray(reader.index.psnr_db), reader.codebook.get("builtin")
            payload = int(reader.index.lengths_bytes.sum())
    squares = sum(i.size * 255**2 * 10 ** (-p / 10) for i, p in zip(images, psnrs, strict=True))
    return {
        "bytes": summary.bytes,
        "records_bytes": payload,
        "psnr_db": summary.mean_psnr_db,
        "squares": squares,
        "named": name is not None,
        "seconds": summary.seconds,
    }


def compare(images: Images, quality: float) -> dict[str, Any]:
    """One set at one quality, three ways."""
    options = CellsOptions(quality=quality, threads=1)
    ways = {
        "learned": CellsEncoder(options, codebook=learned_from(images, options)),
        "builtin": CellsEncoder(dataclasses.replace(options, codebook="builtin")),
        "chosen": CellsEncoder(options),
    }
    files = {way: file_of(images, encoder) for way, encoder in ways.items()}
    bytes_a_square = 1 / (8 * LAMBDA * step_of_quality(quality) ** 2)
    for file in files.values():
        file["cost"] = file["bytes"] + (file["squares"] - files["learned"]["squares"]) * bytes_a_square
    return files


def webp_change(images: Images, file: dict[str, Any]) -> float | None:
    """Our bytes against WebP's at our PSNR, percent; None beyond its qualities."""
    curve = sorted((p["psnr_db"], p["rate_bpp"]) for p in rival_curve(images, *WEBP))
    psnrs, rates = np.array(curve).T
    if not psnrs[0] <= file["psnr_db"] <= psnrs[-1]:
        return None
    theirs = np.exp(np.interp(file["psnr_db"], psnrs, np.log(rates))) * images[0].shape[0] * images[0].shape[1] / 8
    return 100 * (float(file["bytes"]) / float(theirs) - 1)


def row(parts: Sequence[Images], quality: float) -> dict[str, Any]:
    """Means over the sets of one row at one quality."""
    compared = [compare(images, quality) for images in parts]
    result: dict[str, Any] = {"sets": len(parts), "quality": quality}
    base = sum(c["learned"]["bytes"] for c in compared)
    for way in ("learned", "builtin", "chosen"):
        files = [c[way] for c in compared]
        result[way] = {key: float(np.mean([f[key] for f in files])) for key in ("bytes", "records_bytes", "psnr_db")}
        result[way]["seconds"] = float(np.mean([f["seconds"] for f in files]))
        result[way]["change_percent"] = 100 * (sum(f["cost"] for f in files) / base - 1)
    result["named_share"] = float(np.mean([c["chosen"]["named"] for c in compared]))
    if len(parts[0]) == 1:
        for way in ("learned", "chosen"):
            changes = [webp_change(images, c[way]) for images, c in zip(parts, compared, strict=True)]
            known = [c for c in changes if c is not None]
            result[way]["webp_percent"] = float(np.mean(known)) if known else None
    return result


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", metavar="TEXT", help="rows whose name contains it; the others are kept")
    arguments = parser.parse_args()
    for name, parts in sets().items():
        if arguments.rows not in name:
            continue
        rows = [row(parts, quality) for quality in QUALITIES]
        print(name, json.dumps(rows), flush=True)
        report = json.loads(RESULT.read_text()) if RESULT.exists() else {}
        RESULT.write_text(json.dumps({**report, name: rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
