"""Every path of the kernels against the reference decoder, in one batch of both families and five native sizes."""

import pytest
import torch

from inrformat.decoding import reference
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.geometry import Geometry, PaddingMode
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.triton import launch, plan as plans
from inrformat.decoding.triton.launch import decode, decode_views, render
from inrformat.errors import UsageError

from .small_files import ROWS

FLIPS = torch.tensor([True, False, True, False, True])
NORMALISED = PixelFormat(torch.float32, (0.4, 0.5, 0.6), (0.2, 0.3, 0.4), channels_last=True)


def start(records, rows=ROWS):
    height, width = records.shapes[list(rows), 1:].unbind(1)
    return Canvas.of(height, width)


def rendered(records, weights, geometry, pixels, *, out, precision):
    """Render the batch of ROWS, whose weights were read."""
    plan, scratch = weights
    rows = torch.tensor(ROWS, device=records.device)
    render(plan, records, rows=rows, scratch=scratch, geometry=geometry, pixels=pixels, out=out, precision=precision)


def compared(records, weights, geometry, pixels, precision="float32"):
    """Greatest difference from the reference over the batch, in steps of 1/255 (before normalisation)."""
    rows = torch.tensor(ROWS, device=records.device)
    out = pixels.empty((len(rows), records.channels, *geometry.size), records.device)
    rendered(records, weights, geometry, pixels, out=out, precision=precision)
    expected = pixels.of(reference.decode(records, rows, geometry))
    scale = 1.0 if pixels.dtype == torch.uint8 else 255 * min(pixels.std or (1.0,))
    return float((out.float() - expected.float()).abs().max()) * scale


def where_on(records):
    return FLIPS.to(records.device)


ALIGNED = {
    "larger": lambda c, f: c.crop(0.5, 1, 7, 15).resize(36, 30).horizontal_flip(f),
    "smaller on both axes": lambda c, f: c.resize(7, 12).vertical_flip(f),
    "smaller on one axis": lambda c, f: c.resize(31, 10),
    "crop": lambda c, f: c.crop(0.5, 3.25, 6.5, 25.5).resize(12, 20).horizontal_flip(f),
    "far outside": lambda c, f: c.pad(90, 2, 3, 4, fill=(0.3,)).resize(20, 20),
    "nothing but padding": lambda c, f: c.pad(99, 99, 99, 99, fill=(0.3,)).crop(0, 0, 40, 40).resize(18, 18),
}


@pytest.mark.parametrize("name", ALIGNED)
def test_aligned_maps_agree_with_the_reference(mixed, weights, name):
    geometry = ALIGNED[name](start(mixed), where_on(mixed)).geometry()
    assert compared(mixed, weights, geometry, PixelFormat()) <= 1


@pytest.mark.parametrize("name", ["smaller on both axes", "crop"])
def test_fast_products_of_aligned_maps_stay_close(mixed, weights, name):
    geometry = ALIGNED[name](start(mixed), where_on(mixed)).geometry()
    assert compared(mixed, weights, geometry, NORMALISED, "fast") <= 3


def test_points_are_evaluated_where_no_filter_is_wanted(mixed, weights):
    geometry = start(mixed).resize(9, 8).geometry(antialias=False)
    assert compared(mixed, weights, geometry, PixelFormat()) <= 1


@pytest.mark.parametrize("padding_mode", list(PaddingMode)[1:])
def test_every_rule_for_what_lies_outside(mixed, weights, padding_mode):
    canvas = start(mixed).crop(0.5, 3.25, 6.5, 25.5).resize(8, 26)
    geometry = canvas.pad(5, 2, 3, 9, padding_mode=padding_mode, fill=(0.1, 0.6, 0.9)).resize(12, 17).geometry()
    assert compared(mixed, weights, geometry, PixelFormat(torch.float32)) <= 1


def quad(*xy):
    return torch.tensor([xy] * len(ROWS), dtype=torch.float64)


def elastic(canvas):
    canvas = canvas.crop(0, 0, 8, 17).resize(12, 16)
    torch.manual_seed(0)
    return canvas.displace(torch.randn(len(ROWS), 12, 16, 2).to(canvas.height.device))


GENERAL = {
    "rotation": lambda c: c.crop(0, 0, 8, 17).resize(20, 24).rotate(30.0, fill=(0.2, 0.5, 0.9)),
    "perspective": lambda c: c.crop(0, 0, 8, 33).perspective(
        quad((0, 0), (32, 0), (32, 7), (0, 7)).to(c.height.device),
        quad((2, 1), (29, 0), (31, 6), (1, 7)).to(c.height.device),
    ),
    "elastic": elastic,
}


@pytest.mark.parametrize("name", GENERAL)
def test_other_maps_agree_with_the_reference(mixed, weights, name):
    geometry = GENERAL[name](start(mixed)).geometry()
    assert compared(mixed, weights, geometry, PixelFormat()) <= 1


@pytest.mark.parametrize("padding_mode", [PaddingMode.EDGE, PaddingMode.SYMMETRIC])
def test_other_maps_with_taps_and_mirrored_borders(mixed, weights, padding_mode):
    turned = torch.tensor([[[0.8, 0.5, -2.0], [-0.4, 1.0, 2.0]]] * len(ROWS), dtype=torch.float64)
    native = mixed.shapes[list(ROWS), 1:].cpu()
    geometry = Geometry.of(turned, native=native, size=(9, 11), padding_mode=padding_mode).to(mixed.device)
    form, precision, most = (
        (PixelFormat(), "float32", 1) if padding_mode is PaddingMode.EDGE else (NORMALISED, "fast", 3)
    )
    assert compared(mixed, weights, geometry, form, precision) <= most


def test_grey_images_aligned_and_turned(grey):
    rows = torch.zeros(1, dtype=torch.int64, device=grey.device)
    small = start(grey, (0,)).crop(0, 0, 20, 20).resize(16, 16)
    for geometry in (small.geometry(), small.rotate(10.0, fill=(0.5,)).geometry()):
        out = decode(grey, rows, geometry, PixelFormat(), precision="float32")
        expected = PixelFormat().of(reference.decode(grey, rows, geometry))
        assert (out.int() - expected.int()).abs().max() <= 1


def test_maps_that_are_no_numbers_read_nothing_and_give_numbers(mixed, weights):
    for aligned in (True, False):
        geometry = start(mixed).resize(6, 8).geometry(antialias=False)
        geometry.matrices[0] = float("nan")
        geometry.matrices[1] *= 1e30
        geometry.matrices[2, 2] = 0
        object.__setattr__(geometry, "aligned", aligned)
        form = PixelFormat(torch.float32)
        out = form.empty((len(ROWS), 3, 6, 8), mixed.device)
        rendered(mixed, weights, geometry, form, out=out, precision="fast")
        assert out.isfinite().all() and out.min() >= 0 and out.max() <= 1


def test_decode_fills_any_strides_in_parts_and_refuses_what_does_not_fit(mixed, monkeypatch):
    rows = torch.tensor([3, 1], device=mixed.device)
    geometry = start(mixed, (3, 1)).resize(8, 8).geometry()
    frame = torch.full((2, 5, 10, 12), -1.0, dtype=torch.float16, device=mixed.device)
    out = frame[:, 1:4, 1:9, 2:10]
    status = torch.full((2,), -1, dtype=torch.int32, device=mixed.device)
    monkeypatch.setattr(plans, "SCRATCH_BYTES", 1)  # one record at a time
    assert decode(mixed, rows, geometry, PixelFormat(torch.float16), out=out, status=status) is out
    expected = reference.decode(mixed, rows, geometry).clamp(0, 1)
    assert (out - expected).abs().max() <= 3 / 255 and status.tolist() == [0, 0]
    assert (frame == -1).sum() == frame.numel() - out.numel()
    with pytest.raises(UsageError):
        decode(mixed, rows.int(), geometry, PixelFormat())
    with pytest.raises(UsageError):
        decode(mixed, rows, geometry[:1], PixelFormat())
    with pytest.raises(UsageError):
        decode(mixed, rows, geometry, PixelFormat(), out=out)
    with pytest.raises(UsageError):
        decode(mixed, rows, geometry, PixelFormat(), precision="half")


def test_views_are_separate_decodes_of_records_that_are_read_once(mixed, monkeypatch):
    rows_read, read = [], launch.read

    def counted(plan, records, *, rows, scratch):
        rows_read.extend(rows.tolist())
        read(plan, records, rows=rows, scratch=scratch)

    rows = torch.tensor(ROWS[:2], device=mixed.device)
    canvas = start(mixed, ROWS[:2])
    chosen = [canvas.resize(7, 9).geometry(), canvas.crop(0, 0, 8, 17).resize(12, 16).rotate(20.0).geometry()]
    forms = [PixelFormat(), NORMALISED]
    apart = [decode(mixed, rows, view, form) for view, form in zip(chosen, forms, strict=True)]
    monkeypatch.setattr(launch, "read", counted)
    together = decode_views(mixed, rows, chosen, forms)
    assert rows_read == list(ROWS[:2])
    for one, other in zip(together, apart, strict=True):
        assert torch.equal(one, other)
        assert one.stride() == other.stride()
