"""Files that no kernels can decode: refused, so that another decoder takes them."""

import dataclasses
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decoding import dispatch
from inrformat.decoding.availability import Backend
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat
from inrformat.decoding.records import join_records
from inrformat.decoding.triton import launch, plan
from inrformat.decoding.triton.plan import plan_of
from inrformat.errors import DeviceError, UsageError
from inrformat.families import registry
from inrformat.families.codebook import Codebook
from inrformat.families.family import Family

from .small_files import DEVICE

COLOUR = 0.25
FLOATS = PixelFormat(torch.float32)


@dataclass(frozen=True)
class OneColour:
    """A network whose images are all of one colour."""

    family: ClassVar[str] = "one colour"
    channels: ClassVar[int] = 3
    parameter_count: ClassVar[int] = 0

    def behind_tables(self, count: int) -> "OneColour":
        return self

    def to_map(self) -> dict[str, Any]:
        return {"family": self.family}

    def multiply_adds(self, *, height: int, width: int) -> int:
        return 0

    def lanes(self, *, height: int, width: int) -> int:
        return 1


def one_colour_weights(_network, decoder, *, height, width):
    return torch.full((1, 1), COLOUR, device=DEVICE)


def render_one_colour(network, weights, *, native, y, x):
    return weights[:, :, None, None].expand(len(weights), network.channels, len(y), len(x))


@pytest.fixture
def register_one_colour():
    """Registers the family with the Triton backend it is given."""

    def register(triton):
        family = Family(
            name=OneColour.family,
            summary="",
            rules=(),
            parse=pytest.fail,
            describe=pytest.fail,
            reference=lambda: SimpleNamespace(read_weights=one_colour_weights, render=render_one_colour),
            encoder=pytest.fail,
            options=pytest.fail,
            flags=pytest.fail,
            triton=triton,
        )
        registry.register(family)

    yield register
    del registry._loaded[OneColour.family]


def records_of(*networks):
    """A record of each network."""
    tables = TableSet.of([SymbolTable.from_values(np.arange(-8, 9), complete=False)])
    shapes = np.array([(number, 8, 8) for number in range(len(networks))], np.int64)
    return join_records([bytes(4)] * len(networks), Codebook(tables, networks), shapes=shapes, device=DEVICE)


def small_map(count):
    return Canvas.of([8] * count, [8] * count).resize(4, 4).geometry().to(DEVICE)


def test_a_family_without_kernels_is_refused(register_one_colour):
    register_one_colour(None)
    records, rows = records_of(OneColour()), torch.tensor([0], device=DEVICE)
    with pytest.raises(DeviceError, match="'one colour' has no Triton kernels"):
        plan_of(records)
    with pytest.raises(DeviceError, match="'one colour' has no Triton kernels"):
        launch.decode(records, rows, small_map(1), FLOATS)


def test_one_such_network_beside_others_is_refused(register_one_colour, mixed):
    register_one_colour(None)
    codebook = Codebook(mixed.codebook.tables, (*mixed.networks, OneColour()))
    records = join_records([bytes(4)], codebook, shapes=np.array([(0, 8, 8)]), device=DEVICE)
    with pytest.raises(DeviceError, match="'one colour' has no Triton kernels"):
        plan_of(records)


def test_a_family_can_say_why_its_kernels_cannot(register_one_colour):
    register_one_colour(lambda: SimpleNamespace(why_not=lambda file: f"{file.record_count} images of one colour"))
    with pytest.raises(DeviceError, match="2 images of one colour"):
        plan_of(records_of(OneColour(), OneColour()))


def test_a_file_of_no_records_is_refused(mixed):
    records = join_records([], mixed.codebook, shapes=np.zeros((0, 3), np.int64), device=DEVICE)
    with pytest.raises(DeviceError, match="no records"):
        plan_of(records)


def test_what_is_refused_is_decoded_by_the_reference(register_one_colour, monkeypatch, caplog):
    register_one_colour(None)
    monkeypatch.setattr(dispatch, "backend_for", lambda device, *, wanted: Backend("triton", device.type))
    dispatch._warn_once.cache_clear()
    records, rows = records_of(OneColour()), torch.tensor([0], device=DEVICE)
    out = dispatch.decode(records, rows, small_map(1), FLOATS)
    assert torch.equal(out, torch.full_like(out, COLOUR))
    assert "decoding with reference" in caplog.text and "no Triton kernels" in caplog.text
    with pytest.raises(DeviceError, match="no Triton kernels"):
        dispatch.decode(records, rows, small_map(1), FLOATS, backend="triton")


def test_a_plan_is_made_once(mixed):
    assert plan_of(mixed) is plan_of(mixed)


def test_a_plan_serves_all_records_of_a_file(mixed):
    assert plan_of(dataclasses.replace(mixed, words=mixed.words.clone())) is plan_of(mixed)


def test_what_cannot_be_captured_is_refused_with_the_remedy(mixed, monkeypatch):
    warm = plan_of(mixed)
    warm.channel_style((1.0,), (0.0,), (0.5,))
    monkeypatch.setattr(plan, "capturing", lambda device: True)
    assert plan_of(mixed) is warm
    assert warm.channel_style((1.0,), (0.0,), (0.5,)).tolist() == [1.0, 0.0, 0.5]
    with pytest.raises(UsageError, match="decode a batch of the same file and form once before"):
        warm.channel_style((2.0,), (0.0,), (0.5,))
    with pytest.raises(UsageError, match="CUDA graph is being captured"):
        plan.Plan.of(mixed.file)


def test_parts_of_a_large_batch_begin_where_memory_is_aligned(mixed, monkeypatch):
    whole = plan_of(mixed)
    for fitting, expected in ((3, 3), (16, 16), (100, 96)):
        monkeypatch.setattr(plan, "SCRATCH_BYTES", fitting * whole.record_bytes)
        assert whole.part(10_000) == expected
        assert whole.part(2) == 2
    monkeypatch.setattr(plan, "SCRATCH_BYTES", 1)
    assert whole.part(10_000) == 1
