"""Geometry is torchvision's: each step against the v2 functional of its name."""

import numpy as np
import pytest
import torch
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from inrformat.decoding import dispatch
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.dispatch import decode_images
from inrformat.decoding.geometry import PaddingMode
from inrformat.decoding.reference import decode
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.errors import GeometryError
from inrformat.families.cells.encoder.options import CellsOptions

HEIGHT, WIDTH = 72, 96
BILINEAR = InterpolationMode.BILINEAR


def smooth_image() -> np.ndarray:
    """A picture of slow waves and a gradient, the kind on which all interpolations agree."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    waves = [np.sin(x / 13 + k) * np.cos(y / 17 - k) for k in range(3)]
    return np.stack([127 + 70 * w + 0.3 * x for w in waves], axis=-1).round().astype(np.uint8)


@pytest.fixture(scope="module")
def smooth():
    image = smooth_image()
    records = encode_in_memory([image], CellsOptions(quality=95)).records
    native = decode_images(records, [0])[0].double() / 255
    return records, native


def psnr_db(a, b):
    return float(-10 * torch.log10((a - b).square().mean()))


def ours(records, canvas, **options):
    return decode(records, torch.tensor([0]), canvas.geometry(**options))[0].clamp(0, 1)


def start():
    return Canvas.of([HEIGHT], [WIDTH], shortest=HEIGHT)


def points(*xy):
    return torch.tensor([xy], dtype=torch.float64)


QUAD = ((0, 0), (WIDTH - 1, 0), (WIDTH - 1, HEIGHT - 1), (0, HEIGHT - 1))
BENT = ((5, 3), (WIDTH - 9, 6), (WIDTH - 2, HEIGHT - 8), (7, HEIGHT - 3))

CASES = {
    "crop": (lambda c: c.crop(5, 9, 40, 50), lambda i: F.crop(i, 5, 9, 40, 50)),
    "random resized crop, larger": (
        lambda c: c.crop(10, 20, 30, 40).resize(64, 64),
        lambda i: F.resized_crop(i, 10, 20, 30, 40, [64, 64], antialias=True),
    ),
    "random resized crop, smaller": (
        lambda c: c.crop(3, 4, 60, 80).resize(24, 24),
        lambda i: F.resized_crop(i, 3, 4, 60, 80, [24, 24], antialias=True),
    ),
    "resize larger": (lambda c: c.resize(100, 150), lambda i: F.resize(i, [100, 150], antialias=True)),
    "resize smaller": (lambda c: c.resize(30, 70), lambda i: F.resize(i, [30, 70], antialias=True)),
    "resize one axis": (lambda c: c.resize(20, 150), lambda i: F.resize(i, [20, 150], antialias=True)),
    "short side and center crop": (
        lambda c: c.resize_short(48).center_crop(40, 40),
        lambda i: F.center_crop(F.resize(i, [48], antialias=True), [40, 40]),
    ),
    "center crop": (lambda c: c.center_crop(51, 40), lambda i: F.center_crop(i, [51, 40])),
    "center crop beyond the image": (lambda c: c.center_crop(81, 99), lambda i: F.center_crop(i, [81, 99])),
    "padding": (
        lambda c: c.pad(4, 3, 2, 1, fill=(0.25,)).crop(0, 0, HEIGHT + 4, WIDTH + 6),
        lambda i: F.pad(i, [4, 3, 2, 1], fill=0.25),
    ),
    "rotation": (
        lambda c: c.crop(0, 0, HEIGHT, WIDTH).rotate(30.0),
        lambda i: F.rotate(i, 30.0, BILINEAR, fill=0),
    ),
    "rotation about a point, filled": (
        lambda c: c.crop(0, 0, HEIGHT, WIDTH).rotate(-75.0, center=(10, 20), fill=(0.2, 0.5, 0.9)),
        lambda i: F.rotate(i, -75.0, BILINEAR, center=[10, 20], fill=[0.2, 0.5, 0.9]),
    ),
    "affine": (
        lambda c: c.crop(0, 0, HEIGHT, WIDTH).affine(12.0, translate=(5, -3), scale=1.2, shear=(8.0, -5.0)),
        lambda i: F.affine(i, 12.0, [5, -3], 1.2, [8.0, -5.0], BILINEAR, fill=0),
    ),
    "perspective": (
        lambda c: c.crop(0, 0, HEIGHT, WIDTH).perspective(points(*QUAD), points(*BENT)),
        lambda i: F.perspective(i, list(map(list, QUAD)), list(map(list, BENT)), BILINEAR, fill=0),
    ),
    "crop, resize, then rotate": (
        lambda c: c.crop(10, 20, 40, 56).resize(60, 84).rotate(20.0),
        lambda i: F.rotate(F.resized_crop(i, 10, 20, 40, 56, [60, 84], antialias=True), 20.0, BILINEAR, fill=0),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_each_step_agrees_with_torchvision_on_a_smooth_image(smooth, name):
    records, native = smooth
    build, reference = CASES[name]
    assert psnr_db(ours(records, build(start())), reference(native).clamp(0, 1)) >= 45


@pytest.mark.parametrize("mode", ["edge", "reflect", "symmetric"])
def test_padding_modes_are_torchvisions(smooth, mode):
    records, native = smooth
    canvas = start().pad(7, 5, 3, 9, padding_mode=PaddingMode[mode.upper()]).crop(0, 0, HEIGHT + 14, WIDTH + 10)
    assert psnr_db(ours(records, canvas), F.pad(native, [7, 5, 3, 9], padding_mode=mode)) >= 50


def test_flips_and_native_decoding_are_exact(smooth):
    records, native = smooth
    native = ours(records, start().resize(HEIGHT, WIDTH))
    flipped = ours(records, start().resize(HEIGHT, WIDTH).horizontal_flip())
    assert torch.equal(flipped, native.flip(2)) or (flipped - native.flip(2)).abs().max() < 1e-6
    both = ours(records, start().resize(HEIGHT, WIDTH).horizontal_flip().vertical_flip())
    assert torch.equal((both * 255 + 0.5).floor(), (native.flip(1, 2) * 255 + 0.5).floor())


def test_flips_hit_only_the_samples_they_are_for(smooth):
    records, _ = smooth
    canvas = Canvas.of([HEIGHT] * 2, [WIDTH] * 2).resize(HEIGHT, WIDTH).horizontal_flip(torch.tensor([False, True]))
    images = decode(records, torch.tensor([0, 0]), canvas.geometry())
    assert (images[1].flip(2) - images[0]).abs().max() < 1e-6


def test_elastic_displacement_is_torchvisions(smooth):
    records, native = smooth
    torch.manual_seed(0)
    displacement = v2.ElasticTransform(alpha=30.0, sigma=6.0).make_params([torch.zeros(3, HEIGHT, WIDTH)])
    normalised = displacement["displacement"]  # (1, H, W, 2) in [-1, 1] units
    pixels = normalised * torch.tensor([WIDTH / 2, HEIGHT / 2])
    canvas = start().crop(0, 0, HEIGHT, WIDTH).displace(pixels)
    expected = F.elastic(native.float(), normalised, BILINEAR, fill=0)
    assert psnr_db(ours(records, canvas), expected) >= 45


@pytest.mark.parametrize("shape", [(300, 400), (400, 300), (32, 32), (7, 500)])
@pytest.mark.parametrize("side,max_size", [(5, None), (224, None), (32, 400)])
def test_a_short_side_means_what_torchvision_means_by_it(shape, side, max_size):
    canvas = Canvas.of([shape[0]], [shape[1]]).resize_short(side, max_size=max_size)
    expected = F.resize(torch.zeros(1, *shape), [side], max_size=max_size).shape[1:]
    assert (int(canvas.height), int(canvas.width)) == tuple(expected)


def test_samples_of_unlike_size_need_a_last_resize_or_crop():
    with pytest.raises(GeometryError, match="resize or crop"):
        Canvas.of([30, 40], [50, 60]).resize_short(24).geometry()
    assert Canvas.of([30, 40], [50, 60]).resize_short(24).center_crop(24, 24).geometry().size == (24, 24)


def test_what_makes_no_single_map_is_said():
    rotated = start().crop(0, 0, HEIGHT, WIDTH).rotate(10.0)
    with pytest.raises(GeometryError, match="second step"):
        rotated.rotate(10.0)
    with pytest.raises(GeometryError, match="outside the image differently"):
        start().pad(1, 1, 1, 1, fill=(0.5,)).crop(0, 0, 9, 9).rotate(3.0, fill=(0.0,))
    displaced = start().crop(0, 0, 8, 8).displace(torch.zeros(1, 8, 8, 2))
    with pytest.raises(GeometryError, match="displacement last"):
        displaced.horizontal_flip()


def test_samples_may_take_either_of_two_ways(smooth):
    records, _ = smooth
    origin = Canvas.of([HEIGHT] * 2, [WIDTH] * 2).resize(HEIGHT, WIDTH)
    mixed = origin.rotate(40.0).where(torch.tensor([True, False]), origin)
    images = decode(records, torch.tensor([0, 0]), mixed.geometry())
    assert torch.allclose(images[0].clamp(0, 1), ours(records, start().resize(HEIGHT, WIDTH).rotate(40.0)), atol=1e-6)
    assert torch.allclose(images[1].clamp(0, 1), ours(records, start().resize(HEIGHT, WIDTH)), atol=1e-5)


def test_rotated_and_shrunk_pictures_are_filtered(smooth):
    records, native = smooth
    canvas = start().resize(HEIGHT // 4, WIDTH // 4).rotate(30.0)
    small = F.rotate(F.resize(native, [HEIGHT // 4, WIDTH // 4], antialias=True), 30.0, BILINEAR, fill=0)
    counts, _ = canvas.geometry().taps()
    assert counts.tolist() == [[8, 8]] and float(canvas.geometry().footprints()[0, 0]) == pytest.approx(4)
    assert psnr_db(ours(records, canvas), small.clamp(0, 1)) > 30


def test_a_canvas_of_numbers_is_one_image():
    one, batch = Canvas.of(30, 40).crop(1, 2, 10, 12).geometry(), Canvas.of([30], [40]).crop(1, 2, 10, 12).geometry()
    assert len(one) == 1 and torch.equal(one.matrices, batch.matrices)


def test_rows_may_be_a_list(smooth):
    records, _ = smooth
    geometry = Canvas.of([HEIGHT] * 2, [WIDTH] * 2).resize(8, 8).geometry()
    listed = dispatch.decode(records, [0, 0], geometry)
    assert torch.equal(listed, dispatch.decode(records, torch.tensor([0, 0]), geometry))
