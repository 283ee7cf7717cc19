"""The fused CPU decoder against the reference."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from inrformat.coding.rans import RansDecoder
from inrformat.decode import dispatch, reference
from inrformat.decode.canvas import Canvas
from inrformat.decode.pixels import PixelFormat
from inrformat.encode.in_memory import encode_in_memory
from inrformat.errors import InvalidFileError, UsageError
from inrformat.families.cells.encoder.options import CellsOptions

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


@pytest.mark.parametrize("quality", [5, 50])
def test_images_without_cells_of_some_size_decode_like_others(photo_tiles, quality):
    flat = [np.full((32, 32, 3), level, np.uint8) for level in (0, 90, 255)]
    records = encode_in_memory([*flat, *photo_tiles["coffee"][:3]], CellsOptions(quality=quality)).records
    rows = torch.arange(6)
    view = Canvas.of([32] * 6, [32] * 6).resize(32, 32).geometry()
    expected = reference.decode(records, rows, view).clamp(0, 1)
    assert (dispatch.decode(records, rows, view, FLOAT, backend="cpu") - expected).abs().max() < 0.2 / 255


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
    last = dispatch.decode(cells_records, ROWS, geometry, PixelFormat(channels_last=True), backend="cpu")
    assert torch.equal(last, dispatch.decode(cells_records, ROWS, geometry, backend="cpu"))


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
        dispatch.decode(cells_records, torch.tensor([0]), geometry, PixelFormat(torch.float32, (0.5,), (0.5,)))


def test_symbols_are_exactly_those_of_the_normative_coder(siren_records):
    network = siren_records.networks[0]
    offset, length = int(siren_records.offsets[0]), int(siren_records.lengths[0])
    record = siren_records.words.numpy().tobytes()[offset : offset + length]
    from inrformat.families.siren.cpu.siren import read_siren, siren_network

    lanes = network.lanes(height=32, width=32)
    tables = siren_records.codebook.tables
    prepared = siren_network(network)
    status, padded = read_siren(prepared, tables.slots, np.frombuffer(record, np.uint16), lanes)
    scales, symbols = network.read_symbols(RansDecoder([record], tables, lanes=lanes))
    expected = network.dequantize(torch.from_numpy(scales), torch.from_numpy(symbols))[0].numpy()
    assert status == 0
    np.testing.assert_allclose(padded[prepared.places], expected, rtol=1e-6, atol=1e-9)
