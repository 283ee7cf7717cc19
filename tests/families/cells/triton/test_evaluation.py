"""Blocks, operators and pixels of cells against the reference decoder, from symbols of the compiled reader."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data as photographs

from inrformat.decoding import reference
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.geometry import PaddingMode
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import join_records
from inrformat.decoding.triton.bodies import Bodies
from inrformat.decoding.triton.launch import render
from inrformat.decoding.triton.plan import Plan, Scratch
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.families.cells.encoder.options import CellsOptions
from inrformat.families.cells.triton import workspace as workspaces
from inrformat.families.cells.triton.plan import CellsPlan
from inrformat.families.cells.triton.workspace import Workspace, Workspaces

from ....decoding.triton.small_files import DEVICE
from .scratch import scratch_of

SIZES = [(48, 64), (1, 1), (7, 9), (33, 17)]
_AROUND = 4096
FLOATS = PixelFormat(torch.float32)
TOLERANCES = {"float32": 1.0, "fast": 3.0}
"""Greatest error in steps of 1/255."""


def photographs_of(channels):
    """Records of photographs of SIZES, the plan of their file, and what reading them leaves."""
    pixels = np.concatenate([photographs.astronaut()[:400:4, 200::4], photographs.coffee()[:200:2, :156:2]], axis=2)
    chosen = {1: [0], 3: [0, 1, 2], 5: [0, 1, 2, 3, 4]}[channels]
    images = [np.ascontiguousarray(pixels[:h, :w][:, :, chosen]) for h, w in SIZES]
    encoded = encode_in_memory(images, CellsOptions(quality=60, threads=1))
    data, shapes = [record.data for record in encoded.encoded], encoded.records.shapes.numpy()
    records = join_records(data, encoded.records.codebook, shapes=shapes, device=DEVICE)
    plan = Plan.of(records.file)
    of_cells = plan.families[0].plan
    assert isinstance(of_cells, CellsPlan)
    return records, plan, scratch_of(of_cells, records, range(len(SIZES)))


@pytest.fixture(scope="module")
def colour():
    """``photographs_of`` three channels."""
    return photographs_of(3)


def some_of(scratch, rows):
    """A scratch of some of its records, whose workspaces are made anew."""
    bodies = Bodies(*(getattr(scratch.bodies, field.name)[list(rows)] for field in fields(Bodies)))
    names = ("classes", "starts", "low_bit_starts", "node_means", "steps")
    workspaces = Workspaces(scratch.workspaces.memory, scratch.workspaces.native)
    parts = {name: getattr(scratch, name)[list(rows)] for name in names}
    return replace(scratch, bodies=bodies, workspaces=workspaces, **parts)


def rendered(held, rows, geometry, *, precision="float32", scratch=None, pixels=FLOATS):
    """Pixels of some records, ``(B, C, H, W)``."""
    records, plan, read = held
    scratch = read if scratch is None else scratch
    chosen = some_of(scratch, rows)
    out = pixels.empty((len(rows), records.channels, *geometry.size), DEVICE)
    status = torch.zeros(len(rows), dtype=torch.int32, device=DEVICE)
    render(
        plan,
        records,
        rows=torch.tensor(rows, device=DEVICE),
        scratch=Scratch(status=status, families=(chosen,)),
        geometry=geometry,
        pixels=pixels,
        out=out,
        precision=precision,
    )
    return out


def error(held, rows, geometry, precision="float32"):
    """Greatest difference from the reference, in steps of 1/255."""
    expected = reference.decode(held[0], torch.tensor(rows, device=DEVICE), geometry).clamp(0, 1)
    return float((rendered(held, rows, geometry, precision=precision) - expected).abs().max()) * 255


def canvas(held, rows):
    height, width = held[0].shapes[list(rows), 1:].unbind(1)
    return Canvas.of(height, width)


ALL = range(len(SIZES))


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "precision"), [(1, "fast"), (3, "float32"), (5, "fast")])
def test_images_of_any_size_and_number_of_channels(channels, precision):
    held = photographs_of(channels)
    larger = canvas(held, ALL).resize(37, 41).geometry()
    assert error(held, ALL, larger, precision) <= TOLERANCES[precision]
    turned = canvas(held, ALL).resize(9, 11).rotate(20.0).geometry(antialias=False)
    assert error(held, ALL, turned, precision) <= TOLERANCES[precision]


@pytest.mark.parametrize(
    ("factor", "precision"),
    [
        (1.5, "fast"),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in [(1.1, "fast"), (3, "float32"), (6, "fast")]),
    ],
)
def test_shrinking(colour, factor, precision):
    height, width = (max(round(n / factor), 1) for n in SIZES[0])
    geometry = canvas(colour, ALL).resize(height, width).geometry()
    assert error(colour, ALL, geometry, precision) <= TOLERANCES[precision]


@pytest.mark.slow
@pytest.mark.parametrize("padding_mode", list(PaddingMode)[1:])
def test_padding(colour, padding_mode):
    """Larger on one axis, smaller on the other, and the whole image in one tile, many times where it is mirrored."""
    cropped = canvas(colour, ALL).resize(30, 50).crop(2.5, 3.25, 21.5, 40.25)
    for top, left, bottom, right, height, width in [(4, 7, 9, 2, 48, 21), (90, 20, 40, 150, 20, 20)]:
        padded = cropped.pad(left, top, right, bottom, padding_mode=padding_mode, fill=(0.1, 0.6, 0.9))
        geometry = padded.resize(height, width).geometry()
        assert error(colour, ALL, geometry, "fast") <= TOLERANCES["fast"]


def test_parts_of_a_batch_are_the_batch(colour, monkeypatch):
    rows = [0, 3, 2, 0, 1]
    geometry = canvas(colour, rows).resize(20, 36).horizontal_flip(torch.tensor([True, False, True, False, True]))
    geometry = geometry.geometry()
    at_once = rendered(colour, rows, geometry, precision="fast")
    sizes = []
    made = Workspace.of

    def counted(*of):
        workspace = made(*of)
        sizes.append(len(workspace))
        return workspace

    monkeypatch.setattr(Workspace, "of", counted)
    monkeypatch.setattr(workspaces, "WORKSPACE_BYTES", 1 << 17)
    assert torch.equal(rendered(colour, rows, geometry, precision="fast"), at_once)
    assert sizes == [2]


def in_frames(held, value, frames):
    """``held`` with its tensors copied between numbers that do not belong to them; all of these go to ``frames``."""
    inside: dict[str, Any] = {}
    for name in (field.name for field in fields(held)):
        tensor = getattr(held, name)
        if isinstance(tensor, Bodies):
            inside[name] = in_frames(tensor, value, frames)
        if isinstance(tensor, torch.Tensor):
            frame = torch.full((tensor.numel() + 2 * _AROUND,), value, device=DEVICE).to(tensor.dtype)
            frames.append(frame)
            inside[name] = frame[_AROUND:-_AROUND].reshape(tensor.shape).copy_(tensor)
    return replace(held, **inside)


def hostile_scratches(scratch):
    """Scratches that no sound record leaves."""
    extremes = torch.tensor([-32768, 32767, -1, 0, 1], dtype=torch.int16, device=DEVICE)
    beyond = torch.tensor(
        [-(2**31), 2**31 - 1, -1, scratch.bodies.items.shape[1] - 1], dtype=torch.int32, device=DEVICE
    )
    means = torch.tensor([float("nan"), float("inf"), -1e38, 1e38], device=DEVICE)

    def of(values, like):
        return values.repeat(-(-like.numel() // len(values)))[: like.numel()].reshape(like.shape)

    bodies = scratch.bodies
    yield replace(scratch, bodies=replace(bodies, items=of(extremes, bodies.items)))
    yield replace(scratch, classes=of(extremes, scratch.classes))
    yield replace(scratch, starts=of(beyond, scratch.starts))
    yield replace(scratch, node_means=of(means, scratch.node_means))
    yield replace(scratch, steps=torch.full_like(scratch.steps, float("inf")))


@pytest.mark.slow
def test_nothing_outside_of_the_scratch_is_read_or_written_whatever_it_holds(colour, monkeypatch):
    rows = [0, 3]
    geometries = [
        canvas(colour, rows).resize(20, 36).geometry(),
        canvas(colour, rows).resize(6, 8).rotate(30.0).geometry(antialias=False),
    ]
    made = Workspace.of
    for scratch in hostile_scratches(colour[2]):
        for geometry in geometries:
            seen = []
            for value in (7, -9):
                frames: list[torch.Tensor] = []
                monkeypatch.setattr(Workspace, "of", lambda *of, v=value, f=frames: in_frames(made(*of), v, f))
                held = in_frames(scratch, value, frames)
                seen.append(rendered(colour, rows, geometry, precision="fast", scratch=held))
                assert all(
                    bool((edge == frame[0]).all()) for frame in frames for edge in (frame[:_AROUND], frame[-_AROUND:])
                )
            assert bool(seen[0].isfinite().all()) and seen[0].min() >= 0 and seen[0].max() <= 1
            assert torch.equal(*seen)
