"""Rate and distortion of `cells` files against JPEG, WebP and AVIF on the same pixels, every byte counted.

    python tools/bench/rate_distortion.py ../shared/data/kodak --train ../shared/data/clothing/train --size 256
    python tools/bench/rate_distortion.py ../shared/data/cifar10/train --qualities 64 67 70 --rivals jpeg --at-bpp 3 \
        --name cifar10

Ours is the size of the whole .inrd file; theirs are Pillow's files, headers included (at 32 px the headers decide).
PSNR is over all pixels and channels of an image, averaged over the set. BD-rate: mean difference of log rate over the
PSNR range both curves cover within --range, piecewise cubic (PCHIP) interpolation. Writes JSON and a plot to results/.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.interpolate import PchipInterpolator

from inrformat.container.reader import InrdReader
from inrformat.conversion.plan import ConversionPlan, convert_with
from inrformat.conversion.reading import images_of
from inrformat.conversion.sources.folder import scan_folder
from inrformat.conversion.sources.source import limited
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.record import psnr_db
from inrformat.families.cells.encoder.encoder import CellsEncoder
from inrformat.families.cells.encoder.options import CellsOptions
from inrformat.families.codebook import Codebook

RESULTS = Path(__file__).parent / "results"
RIVALS: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "jpeg": (
        (20, 25, 30, 40, 50, 60, 70, 80, 85, 90, 93),
        {"format": "JPEG", "optimize": True, "subsampling": "4:2:0"},
    ),
    "webp": ((15, 20, 30, 40, 50, 60, 70, 80, 85, 90, 94), {"format": "WEBP", "method": 6}),
    "avif": ((30, 40, 50, 60, 70, 75, 80, 85), {"format": "AVIF", "speed": 4}),
}


def rival_curve(
    images: list[np.ndarray], qualities: tuple[int, ...], options: dict[str, Any]
) -> list[dict[str, float]]:
    """Rate and mean PSNR of one encoder at each quality."""
    pixels = sum(i.shape[0] * i.shape[1] for i in images)
    curve = []
    for quality in qualities:
        files = [io.BytesIO() for _ in images]
        for image, file in zip(images, files, strict=True):
            Image.fromarray(image).save(file, quality=quality, **options)
        psnrs = [psnr_db(np.asarray(Image.open(f).convert("RGB")), i) for f, i in zip(files, images, strict=True)]
        rate = 8 * sum(len(f.getvalue()) for f in files) / pixels
        curve.append({"quality": quality, "rate_bpp": rate, "psnr_db": float(np.mean(psnrs))})
    return curve


def learned_from(images: list[np.ndarray], options: CellsOptions) -> Codebook:
    """The codebook of a larger set of which these images are a sample: no built-in one is considered."""
    return CellsEncoder(options).train(dataclasses.replace(Corpus.of(images), complete=False)).codebook


def our_curve(folder: Path, training: list[np.ndarray] | None, qualities: list[float]) -> list[dict[str, float]]:
    """Whole-file rate and mean PSNR of `cells` at each quality; codebook from ``training`` or the set itself."""
    curve = []
    for quality in qualities:
        options = CellsOptions(quality=quality)
        began = time.perf_counter()
        codebook = None if training is None else learned_from(training, options)
        trained = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            encoder = CellsEncoder(options, codebook=codebook)
            summary = convert_with(encoder, ConversionPlan(source=scan_folder(folder)), Path(scratch) / "out.inrd")
        curve.append(
            {
                "quality": quality,
                "rate_bpp": summary.rate_bpp,
                "psnr_db": summary.mean_psnr_db,
                "bytes": summary.bytes,
                "train_seconds": trained - began,
                "convert_images_per_second": summary.samples / summary.seconds,
            }
        )
        print(json.dumps(curve[-1]), flush=True)
    return curve


def siren_curve(files: list[Path]) -> list[dict[str, float]]:
    """Whole-file rate and mean PSNR of finished files, as ``convert --network siren`` made them of the same images."""
    curve = []
    for path in files:
        with InrdReader(path) as reader:
            index = reader.index
            if index.psnr_db is None:
                raise SystemExit(f"{path} does not say its PSNR")
            rate = 8 * path.stat().st_size / int((index.heights * index.widths).sum())
            curve.append({"rate_bpp": rate, "psnr_db": float(index.psnr_db.mean())})
    return sorted(curve, key=lambda point: point["rate_bpp"])


def bd_rate(
    ours: list[dict[str, float]], theirs: list[dict[str, float]], low: float, high: float
) -> dict[str, float] | None:
    """Mean difference in rate at equal PSNR, percent, and the range in dB it was taken over."""
    if min(len(ours), len(theirs)) < 2:
        return None
    curves = [sorted((p["psnr_db"], math.log(p["rate_bpp"])) for p in curve) for curve in (ours, theirs)]
    low, high = max(low, *(c[0][0] for c in curves)), min(high, *(c[-1][0] for c in curves))
    if low >= high:
        return None
    at = np.linspace(low, high, 400)
    mine, other = (PchipInterpolator(*np.array(c).T)(at) for c in curves)
    return {"percent": 100 * (math.exp(float((mine - other).mean())) - 1), "from_db": low, "to_db": high}


def psnr_at(curve: list[dict[str, float]], rate_bpp: float) -> float | None:
    """PSNR at a rate, between measured points; None outside them."""
    points = np.array(sorted((math.log(p["rate_bpp"]), p["psnr_db"]) for p in curve)).T
    value = float(PchipInterpolator(*points, extrapolate=False)(math.log(rate_bpp)))
    return None if math.isnan(value) else value


def plot(curves: dict[str, list[dict[str, float]]], path: Path, *, title: str) -> None:
    """PSNR over bpp."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 5))
    for name, curve in curves.items():
        axes.plot([p["rate_bpp"] for p in curve], [p["psnr_db"] for p in curve], marker="o", markersize=3, label=name)
    axes.set(xlabel="rate (bits per pixel, whole files)", ylabel="PSNR-RGB (dB)", title=title)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120, bbox_inches="tight")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("--train", type=Path, help="images to learn the codebook from (default: the set itself)")
    parser.add_argument("--train-images", type=int, default=100)
    parser.add_argument("--size", type=int, help="short side in px")
    parser.add_argument("--qualities", type=float, nargs="+", default=[48, 52, 56, 60, 64, 68, 72])
    parser.add_argument("--range", type=float, nargs=2, default=[29.0, 36.0], metavar=("LOW_DB", "HIGH_DB"))
    parser.add_argument("--rivals", nargs="*", choices=sorted(RIVALS), default=sorted(RIVALS))
    parser.add_argument("--siren", type=Path, nargs="+", default=[], metavar="FILE", help="siren files of these images")
    parser.add_argument("--at-bpp", type=float, help="also say each encoder's PSNR at this rate")
    parser.add_argument("--name", default="kodak256")
    arguments = parser.parse_args()
    source = scan_folder(arguments.images)
    images = list(images_of(source, size=arguments.size))
    training = None
    if arguments.train is not None:
        chosen = limited(scan_folder(arguments.train), arguments.train_images)
        training = list(images_of(chosen, size=arguments.size))
    with tempfile.TemporaryDirectory() as scratch:
        for number, image in enumerate(images):
            Image.fromarray(image).save(Path(scratch) / f"{number:06d}.png", compress_level=1)
        curves = {"cells": our_curve(Path(scratch), training, arguments.qualities)}
    for name in arguments.rivals:
        curves[name] = rival_curve(images, *RIVALS[name])
    if arguments.siren:
        curves["siren"] = siren_curve(arguments.siren)
    rates = {
        name: bd_rate(curves["cells"], curve, *arguments.range) for name, curve in curves.items() if name != "cells"
    }
    report = {"images": len(images), "size": arguments.size, "bd_rate": rates, "curves": curves}
    if arguments.at_bpp is not None:
        at = {name: psnr_at(curve, arguments.at_bpp) for name, curve in curves.items()}
        report["psnr_db_at_rate"] = {"rate_bpp": arguments.at_bpp, **at}
        print(json.dumps(report["psnr_db_at_rate"]))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"rate_distortion_{arguments.name}.json").write_text(json.dumps(report, indent=1) + "\n")
    plot(curves, RESULTS / f"rate_distortion_{arguments.name}.png", title=f"{arguments.name}, {len(images)} images")
    print(json.dumps(rates, indent=1))


if __name__ == "__main__":
    main()
