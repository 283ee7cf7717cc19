"""The fused CPU decoder against the reference."""

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from inrformat.decoding import dispatch, reference
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.cpu import launch
from inrformat.decoding.pixels import PixelFormat
from inrformat.errors import DeviceError, InvalidFileError, UsageError
from inrformat.families import registry
from inrformat.families.family import Family, module

from ..conftest import NAMES, geometries

ROWS = torch.tensor([2, 0, 1, 0])
FLOAT = PixelFormat(torch.float32)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("family", ["cells", "siren"])
def test_pixels_are_those_of_the_reference(request, family, name):
    records = request.getfixturevalue(f"{family}_records")
    geometry = geometries(records, ROWS)[name]
    expected = reference.decode(records, ROWS, geometry).clamp(0, 1)
    decoded = dispatch.decode(records, ROWS, geometry, FLOAT, backend="cpu")
    # Only the sums of `cells` under maps that are not aligned are as exact as float32 can hold them.
    near = 0.001 if family == "cells" and not geometry.aligned else 0.2
    assert (decoded - expected).abs().max() < near / 255
    levels = dispatch.decode(records, ROWS, geometry, backend="cpu").int() - (expected * 255 + 0.5).floor().int()
    assert levels.abs().max() <= 1


def test_every_form_holds_the_same_pixels(cells_records):
    geometry = geometries(cells_records, ROWS)["resized crop"]
    mean, std = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
    plain = dispatch.decode(cells_records, ROWS, geometry, FLOAT, backend="cpu")
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for last in (False, True):
            form = PixelFormat(dtype, mean, std, channels_last=last)
            decoded = dispatch.decode(cells_records, ROWS, geometry, form, backend="cpu")
            assert decoded.dtype == dtype
            assert decoded.is_contiguous(memory_format=form.memory_format)
            assert torch.allclose(decoded.float(), form.of(plain).float(), atol=0.03, rtol=0.01)
    turned = dispatch.decode(cells_records, ROWS, geometry, PixelFormat(channels_last=True), backend="cpu")
    assert torch.equal(turned, dispatch.decode(cells_records, ROWS, geometry, backend="cpu"))


@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_threads_gives_the_same_bytes(cells_records, name):
    geometry = geometries(cells_records, ROWS)[name]
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = dispatch.decode(cells_records, ROWS, geometry, backend="cpu")
        torch.set_num_threads(3)
        assert torch.equal(dispatch.decode(cells_records, ROWS, geometry, backend="cpu"), alone)
    finally:
        torch.set_num_threads(threads)


def damaged(records, change):
    """The same records with other payload bytes."""
    words = records.words.clone()
    change(words)
    return dataclasses.replace(records, words=words)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 40))
def test_damaged_records_are_refused_or_decode_to_pixels(cells_records, siren_records, seed, count):
    rng = np.random.default_rng(seed)
    for records in (cells_records, siren_records):
        places = torch.from_numpy(rng.integers(0, len(records.words), count))
        noise = torch.from_numpy(rng.integers(-(2**15), 2**15, count).astype(np.int16))
        bad = damaged(records, lambda words, at=places, by=noise: words.index_put_((at,), by))
        rows = torch.tensor([0, 1, 2])
        geometry = geometries(records, rows)["resized crop"]
        try:
            decoded = dispatch.decode(bad, rows, geometry, FLOAT, backend="cpu")
        except InvalidFileError as error:
            assert error.rule.startswith(("RECORD-", "CELLS-"))
        else:
            assert bool(((decoded >= 0) & (decoded <= 1)).all())


def test_a_record_that_ends_early_is_named(cells_records):
    lengths = cells_records.lengths.clone()
    lengths[1] -= 40
    short = dataclasses.replace(cells_records, lengths=lengths)
    geometry = Canvas.of(short.shapes[:, 1], short.shapes[:, 2]).resize(16, 16).geometry()
    with pytest.raises(InvalidFileError, match="record 1"):
        dispatch.decode(short, torch.arange(3), geometry, backend="cpu")


def test_forms_that_do_not_fit_the_channels_are_refused_before_decoding(cells_records):
    geometry = Canvas.of([72], [96]).resize(16, 16).geometry()
    with pytest.raises(UsageError, match="3 channels"):
        dispatch.decode(cells_records, torch.tensor([0]), geometry, PixelFormat(torch.float32, (0.5, 0.5), (0.5, 0.5)))


@dataclasses.dataclass(frozen=True)
class Elsewhere:
    """A network of a family that only other decoders know."""

    family: ClassVar[str] = "elsewhere"

    channels: int = 3


def test_a_file_with_a_family_without_cpu_decoder_is_left_to_other_decoders(cells_records, monkeypatch):
    monkeypatch.setattr(registry, "_loaded", dict(registry._loaded))
    part = module("inrformat")
    elsewhere = Family(
        name="elsewhere",
        summary="for this test",
        rules=(),
        parse=part,
        describe=part,
        reference=part,
        encoder=part,
        options=part,
        flags=part,
    )
    registry.register(elsewhere)
    codebook = cells_records.codebook
    mixed = dataclasses.replace(codebook, networks=(*codebook.networks, Elsewhere()))
    file = dataclasses.replace(cells_records.file, codebook=mixed)
    records = dataclasses.replace(cells_records, file=file)
    geometry = Canvas.of([72], [96]).resize(16, 16).geometry()
    with pytest.raises(DeviceError, match="'elsewhere' has no CPU decoder"):
        launch.decode_views(records, torch.tensor([0]), [geometry], [FLOAT])
