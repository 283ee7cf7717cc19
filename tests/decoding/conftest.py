"""Small resident files of both families, and maps of every kind."""

import numpy as np
import pytest
import torch
from skimage import data as photographs

from inrformat.decoding.canvas import Canvas
from inrformat.decoding.geometry import Geometry, PaddingMode
from inrformat.decoding.records import DeviceRecords
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.families.cells.encoder.options import CellsOptions
from inrformat.families.siren.encoder.options import Pruning, SirenOptions

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def cells_records() -> DeviceRecords:
    """Three pieces of photographs of unlike sizes, none a multiple of the cell."""
    coffee, astronaut = photographs.coffee(), photographs.astronaut()
    images = [coffee[100:172, 200:296], astronaut[::4, ::4][:90, :130], coffee[::9, ::9]]
    return encode_in_memory(images, CellsOptions(quality=70)).records


@pytest.fixture(scope="session")
def siren_records(photo_tiles) -> DeviceRecords:
    """Tiles of 32 px as sirens, and one of another size."""
    images = [*photo_tiles["astronaut"][:2], np.ascontiguousarray(photo_tiles["coffee"][0][:20, :27])]
    options = SirenOptions(hidden=(3, 15), steps=120, pruning=Pruning.NONE, shared_base=False)
    return encode_in_memory(images, options).records


def geometries(records: DeviceRecords, rows: torch.Tensor) -> dict[str, Geometry]:
    """Maps of every kind for the samples ``rows``."""
    heights, widths = records.shapes[rows, 1], records.shapes[rows, 2]
    start = Canvas.of(heights, widths, shortest=20)
    count = len(rows)
    random = torch.Generator().manual_seed(3)

    def uniform(low, high):
        return torch.rand(count, generator=random, dtype=torch.float64) * (high - low) + low

    small = start.resize(24, 30)
    corners = torch.tensor([[0, 0], [29, 0], [29, 23], [0, 23]], dtype=torch.float64).expand(count, 4, 2)
    wobble = torch.randn(count, 24, 30, 2, generator=random, dtype=torch.float64)
    canvases = {
        "whole, larger": start.resize(100, 141),
        "whole, smaller": start.resize(17, 13),
        "one axis smaller": start.resize(15, 140),
        "resized crop": start.crop(uniform(0, 8).floor(), uniform(0, 9).floor(), 11, 13).resize(32, 32),
        "flipped": start.crop(2, 1, 15, 18).resize(20, 20).horizontal_flip(uniform(0, 1) > 0.5).vertical_flip(),
        "padded": start.crop(0, 0, 20, 20).pad(5, 3, 4, 2, fill=(0.3,)).crop(1, 2, 20, 22),
        "padded, shrunk": start.crop(0, 0, 20, 20).pad(4, 4, 4, 4).resize(9, 11),
        "padding alone, shrunk": start.pad(99, 99, 99, 99, fill=(0.3,)).crop(0, 0, 40, 40).resize(20, 20),
        **{
            f"padded, {rule.name.lower()}": start.crop(0, 0, 20, 20).pad(9, 9, 9, 9, padding_mode=rule).resize(22, 22)
            for rule in (PaddingMode.EDGE, PaddingMode.REFLECT, PaddingMode.SYMMETRIC)
        },
        "rotated": small.rotate(uniform(-180, 180), fill=(0.1,)),
        "sheared and enlarged": small.affine(uniform(-9, 9), shear=(12.0, -7.0), scale=2.0),
        "perspective": small.perspective(corners, corners + uniform(0, 3)[:, None, None] * torch.tensor([1.0, -0.4])),
        "displaced": small.displace(wobble),
    }
    maps = {name: canvas.geometry() for name, canvas in canvases.items()}
    maps["smaller, at points"] = start.resize(17, 13).geometry(antialias=False)
    return maps


NAMES = [
    "whole, larger",
    "whole, smaller",
    "one axis smaller",
    "resized crop",
    "flipped",
    "padded",
    "padded, shrunk",
    "padding alone, shrunk",
    "padded, edge",
    "padded, reflect",
    "padded, symmetric",
    "rotated",
    "sheared and enlarged",
    "perspective",
    "displaced",
    "smaller, at points",
]
"""Keys of ``geometries``."""
