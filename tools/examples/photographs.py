"""The .inrd file that an example is started with; where none is given, a small one of photographs in scikit-image."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

from inrformat import convert

TILE_PX, TILES = 32, 12


def file_from_arguments(description: str | None) -> Path:
    """The file named on the command line, or one made for the occasion."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="an .inrd of labelled images; by default one is made")
    given: Path | None = parser.parse_args().file
    return given or photographs_file(Path(tempfile.mkdtemp(prefix="inrformat-")))


def photographs_file(folder: Path) -> Path:
    """A new file in ``folder``: two classes, each of tiles of one photograph."""
    images, result = photographs_folder(folder), folder / "photographs.inrd"
    convert(images, result)
    return result


def photographs_folder(folder: Path) -> Path:
    """The tiles as ``torchvision.datasets.ImageFolder`` reads them: one sub-folder of PNG files for each class."""
    for name, photograph in {"astronaut": data.astronaut(), "coffee": data.coffee()}.items():
        target = folder / "images" / name
        target.mkdir(parents=True)
        side = photograph.shape[0] // 2
        for number, left in enumerate(np.linspace(0, photograph.shape[1] - side, TILES).astype(int)):
            tile = Image.fromarray(photograph[side // 2 : side // 2 + side, left : left + side])
            tile.resize((TILE_PX, TILE_PX), Image.Resampling.LANCZOS).save(target / f"{number:02}.png")
    return folder / "images"
