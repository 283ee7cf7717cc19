"""Small .inrd files of cells, quick to make."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inrformat import InrdReader, InrdWriter
from inrformat.container.fields import FieldType
from inrformat.container.metadata import Metadata
from inrformat.conversion.pipeline import convert
from inrformat.families.cells.encoder.options import CellsOptions


def converted(folder: Path, path: Path, quality: float = 80) -> Path:
    convert(folder, path, CellsOptions(quality=quality))
    return path


@pytest.fixture(scope="session")
def tile_file(tmp_path_factory, photo_folder) -> Path:
    """Twelve 32 px tiles of two classes."""
    return converted(photo_folder, tmp_path_factory.mktemp("tiles") / "tiles.inrd")


@pytest.fixture(scope="session")
def second_file(tmp_path_factory, photo_folder) -> Path:
    """The same tiles at another quality: other records, another codebook."""
    return converted(photo_folder, tmp_path_factory.mktemp("tiles") / "second.inrd", quality=50)


@pytest.fixture(scope="session")
def unlike_file(tmp_path_factory, photo_tiles) -> Path:
    """Seven pieces of tiles, all of different size."""
    folder = tmp_path_factory.mktemp("unlike")
    for number, image in enumerate(photo_tiles["coffee"] + photo_tiles["astronaut"][:1]):
        piece = np.ascontiguousarray(image[: 32 - number, : 20 + number])
        Image.fromarray(piece).save(folder / f"{number}.png")
    return converted(folder, tmp_path_factory.mktemp("unlike") / "unlike.inrd")


@pytest.fixture(scope="session")
def box_file(tmp_path_factory, tile_file) -> Path:
    """Three tiles with two, no and three boxes."""
    path: Path = tmp_path_factory.mktemp("boxes") / "boxes.inrd"
    boxes = [[1.0, 2.0, 11.0, 12.0, 0.0, 0.0, 32.0, 32.0], [], [4.0, 4.0, 8.0, 8.0] * 3]
    with InrdReader(tile_file) as source, InrdWriter(path) as writer:
        for k in range(3):
            writer.add(source.record(k), height=32, width=32, network=int(source.index.networks[k]), psnr_db=30)
        writer.add_field("boxes", FieldType.FLOAT64_LIST, boxes)
        writer.add_field("box_labels", FieldType.INT64_LIST, [[0, 1], [], [2, 2, 0]])
        writer.finish(codebook=source.codebook, metadata=Metadata(classes=("a", "b", "c")))
    return path
