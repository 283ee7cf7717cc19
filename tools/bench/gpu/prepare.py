"""The folder that is carried to the machine with the GPU: photographs as JPEG, and the same as ``.inrd`` files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from PIL import Image, ImageOps

from inrformat import CellsOptions, SirenOptions, convert
from inrformat.encoding.encoder import EncoderOptions
from inrformat.families.siren.encoder.options import Pruning

__all__ = ["MOST_BYTES", "Amounts", "prepare"]

MOST_BYTES = 60_000_000
_SUFFIXES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True, slots=True)
class Amounts:
    """Images of each family, the side of their squares in pixels, and the encoders' settings."""

    images: int
    side: int
    quality: float
    siren_images: int
    siren_side: int
    siren_hidden: tuple[int, int]
    siren_steps: int


def prepare(photographs: Path, folder: Path, amounts: Amounts, *, wheels: Sequence[Path]) -> None:
    """Make ``folder``, and say how to go on.

    Args:
        wheels: Python packages, unpacked into the folder.
    """
    folder.mkdir(parents=True)
    squares(photographs, folder / "jpeg", count=amounts.images, side=amounts.side)
    squares(photographs, folder / "siren_jpeg", count=amounts.siren_images, side=amounts.siren_side)
    siren = SirenOptions(
        hidden=amounts.siren_hidden, steps=amounts.siren_steps, pruning=Pruning.NONE, shared_base=False
    )
    facts = {
        "cells": _converted(folder / "jpeg", folder / "cells.inrd", CellsOptions(quality=amounts.quality)),
        "siren": _converted(folder / "siren_jpeg", folder / "siren.inrd", siren),
    }
    shutil.rmtree(folder / "siren_jpeg")
    (folder / "prepared.json").write_text(json.dumps(facts, indent=1) + "\n")
    for wheel in wheels:
        with ZipFile(wheel) as archive:
            archive.extractall(folder / "wheels" / wheel.name.partition("-")[0])
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder}: {size / 1e6:.1f} MB, {json.dumps(facts)}")
    print(f"copy the checkout and this folder to the GPU's machine; there: python tools/bench/on_gpu.py run {folder}")
    if size > MOST_BYTES:
        raise SystemExit(f"that is more than {MOST_BYTES / 1e6:.0f} MB: take fewer --images")


def squares(photographs: Path, folder: Path, *, count: int, side: int) -> None:
    """The middle of photographs spread over the folder, as JPEG of quality 90, in folders by class where there are."""
    found = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not found:
        raise SystemExit(f"{photographs}: there are no images")
    step = max(len(found) // count, 1)
    for number, path in enumerate(found[::step][:count]):
        kind = path.parent.name if path.parent != photographs else "all"
        target = folder / kind / f"{number:05}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.LANCZOS).save(target, quality=90)


def _converted(source: Path, output: Path, options: EncoderOptions) -> dict[str, float]:
    summary = convert(source, output, options, device="cpu")
    return {
        "images": summary.samples,
        "bytes_per_image": summary.bytes / summary.samples,
        "bits_per_pixel": 8 * summary.bytes / summary.pixels,
        "psnr_db": summary.mean_psnr_db,
    }
