"""What the CPU decoder must get right of ``cells`` alone."""

import numpy as np
import pytest
import torch

from inrformat.decoding import dispatch, reference
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.families.cells.encoder.options import CellsOptions

FLOAT = PixelFormat(torch.float32)


@pytest.mark.parametrize("quality", [5, 50])
def test_images_without_cells_of_some_size_decode_like_others(photo_tiles, quality):
    flat = [np.full((32, 32, 3), level, np.uint8) for level in (0, 90, 255)]
    records = encode_in_memory([*flat, *photo_tiles["coffee"][:3]], CellsOptions(quality=quality)).records
    rows = torch.arange(6)
    view = Canvas.of([32] * 6, [32] * 6).resize(32, 32).geometry()
    expected = reference.decode(records, rows, view).clamp(0, 1)
    assert (dispatch.decode(records, rows, view, FLOAT, backend="cpu") - expected).abs().max() < 0.2 / 255
