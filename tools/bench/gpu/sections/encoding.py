"""Encoding on the device: images per second of a whole conversion, learning included."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gpu.setting import FAMILIES, Setting
from inrformat import CellsOptions, SirenOptions, convert
from inrformat.encoding.encoder import EncoderOptions

__all__ = ["measure"]


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """Per family, of the carried JPEGs."""
    options: dict[str, EncoderOptions] = {
        "cells": CellsOptions(quality=60),
        "siren": SirenOptions(hidden=(10, 28), steps=100),
    }
    jpegs = sorted(setting.folder.glob("jpeg/*/*.jpg"))[: setting.scale.encoded]
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            for path in jpegs:
                shutil.copy(path, folder)
            start = time.perf_counter()
            convert(folder, Path(folder) / "encoded.inrd", options[family], device=setting.device)
            taken = time.perf_counter() - start
        yield {"what": family, "images": len(jpegs), "seconds": taken, "images_per_second": len(jpegs) / taken}
