"""Decoding photographs at other sizes: against filtering the decoded picture, and against the truth."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photographs
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as F

from inrformat.decoding import dispatch
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.families.cells.encoder.options import CellsOptions
from inrformat.families.registry import family_of

SIDE = 192
ROWS = torch.arange(3)
FLOAT = PixelFormat(torch.float32)


def psnr_db(a, b):
    return float(-10 * torch.log10((a - b).square().mean()))


@pytest.fixture(scope="module")
def originals():
    """Photographs of twice the side at which they are stored: uint8 (3, 384, 384)."""
    pieces = [photographs.astronaut()[:384, 40:424], photographs.coffee()[:384, 100:484], photographs.cat()[:300, :300]]
    large = [Image.fromarray(p).resize((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS) for p in pieces]
    return torch.stack([torch.from_numpy(np.array(i)).permute(2, 0, 1) for i in large]).float() / 255


@pytest.fixture(scope="module")
def records(originals):
    small = F.resize(originals, [SIDE, SIDE], InterpolationMode.BICUBIC, antialias=True).clamp(0, 1)
    images = [(i.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8) for i in small]
    return encode_in_memory(images, CellsOptions(quality=80)).records


def decoded(records, size, **options):
    geometry = Canvas.of([SIDE] * 3, [SIDE] * 3).resize(size, size).geometry(**options)
    return dispatch.decode(records, ROWS, geometry, FLOAT)


@pytest.mark.parametrize("size", [160, 96, 48, 24])
def test_smaller_sizes_are_those_of_v2_resize_and_nearer_to_the_truth_than_points(records, originals, size):
    native = decoded(records, SIDE)
    ours = decoded(records, size)
    assert psnr_db(ours, F.resize(native, [size, size], antialias=True)) >= 38
    truth = F.resize(originals, [size, size], antialias=True)
    assert psnr_db(ours, truth) > psnr_db(decoded(records, size, antialias=False), truth)


def test_twice_the_size_is_as_near_to_the_truth_as_bicubic_interpolation(records, originals):
    native = decoded(records, SIDE)
    bicubic = F.resize(native, [2 * SIDE, 2 * SIDE], InterpolationMode.BICUBIC).clamp(0, 1)
    assert psnr_db(decoded(records, 2 * SIDE), originals) >= psnr_db(bicubic, originals)


def test_gradients_are_the_slopes_of_the_picture(records):
    from inrformat.decoding.reference import decode_gradient, read_weights

    network, native = records.networks[0], (SIDE, SIDE)
    weights = read_weights(network, records, torch.tensor([0]), native=native).double()
    inside = torch.rand(1, 40, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 7 + 32.5
    along_x, along_y = decode_gradient(network, weights, inside, native=native)
    for axis, slope in ((0, along_x), (1, along_y)):
        step = torch.zeros(2, dtype=torch.float64)
        step[axis] = 1e-4
        ahead, behind = (
            family_of(network).reference().sample(network, weights, inside + s * step, native=native) for s in (1, -1)
        )
        assert torch.allclose(slope, (ahead - behind) / 2e-4, atol=1e-7)
