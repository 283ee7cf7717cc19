"""One smooth picture as a record, on which all interpolations agree."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from inrformat.decoding.dispatch import decode_images
from inrformat.decoding.reference import decode
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.families.cells.encoder.options import CellsOptions

HEIGHT, WIDTH = 72, 96


@pytest.fixture(scope="session")
def smooth():
    """``native``: float64 (3, 72, 96) in [0, 1]; ``decode(geometry)``: a batch of that picture; ``records``: it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    waves = [np.sin(x / 13 + k) * np.cos(y / 17 - k) for k in range(3)]
    image = np.stack([127 + 70 * w + 0.3 * x for w in waves], axis=-1).round().astype(np.uint8)
    records = encode_in_memory([image], CellsOptions(quality=95)).records

    def decoded(geometry):
        return decode(records, torch.zeros(len(geometry), dtype=torch.int64), geometry).clamp(0, 1)

    return SimpleNamespace(native=decode_images(records, [0])[0].double() / 255, decode=decoded, records=records)
