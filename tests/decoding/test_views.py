"""Several views of one batch: the pixels of separate decodes, from records that are read once."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from inrformat.decoding import dispatch, reference
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.pixels import PixelFormat
from inrformat.errors import GeometryError, InvalidFileError, UsageError
from inrformat.families.registry import family_of

from .conftest import NAMES, geometries

ROWS = torch.tensor([2, 0, 1, 0])
FORMS = [
    PixelFormat(),
    PixelFormat(torch.float32, (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)),
    PixelFormat(torch.float16, channels_last=True),
]


@pytest.mark.parametrize("family", ["cells", "siren"])
@settings(max_examples=25, deadline=None)
@given(names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=5), forms=st.randoms(use_true_random=False))
def test_views_are_separate_decodes_bit_for_bit_whatever_their_sizes_kinds_and_forms(
    cells_records, siren_records, family, names, forms
):
    records = {"cells": cells_records, "siren": siren_records}[family]
    maps = geometries(records, ROWS)
    chosen, pixels = [maps[name] for name in names], [forms.choice(FORMS) for _ in names]
    views = dispatch.decode_views(records, ROWS, chosen, pixels, backend="cpu")
    for view, geometry, form in zip(views, chosen, pixels, strict=True):
        assert view.is_contiguous(memory_format=form.memory_format)
        assert torch.equal(view, dispatch.decode(records, ROWS, geometry, form, backend="cpu"))


def test_views_of_the_reference_are_separate_decodes_too(cells_records):
    chosen = [geometries(cells_records, ROWS)[name] for name in ("resized crop", "rotated")]
    views = dispatch.decode_views(cells_records, ROWS, chosen, FORMS[:2], backend="reference")
    for view, geometry, form in zip(views, chosen, FORMS, strict=False):
        assert torch.equal(view, dispatch.decode(cells_records, ROWS, geometry, form, backend="reference"))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_crops_anywhere_see_all_that_they_need_of_an_image(cells_records, seed):
    rng = np.random.default_rng(seed)
    canvas = Canvas.of(cells_records.shapes[ROWS, 1], cells_records.shapes[ROWS, 2])
    top, left = rng.uniform(0, 40, 2)
    height, width = rng.uniform(2, 30, 2)
    view = canvas.crop(top, left, height, width).resize(*rng.integers(1, 60, 2).tolist()).geometry()
    # A view of everything beside it lets no weight be left out.
    turned = canvas.resize(8, 8).rotate(10.0).geometry()
    alone = dispatch.decode(cells_records, ROWS, view, FORMS[1], backend="cpu")
    assert torch.equal(
        alone, dispatch.decode_views(cells_records, ROWS, [view, turned], [FORMS[1]] * 2, backend="cpu")[0]
    )


@pytest.mark.parametrize("family", ["cells", "siren"])
def test_the_cpu_reads_the_record_of_every_sample_once(request, monkeypatch, family):
    records = request.getfixturevalue(f"{family}_records")
    load, members_read = family_of(records.networks[0]).cpu, []
    assert load is not None
    backend = load()
    read = backend.read

    def counted(network, batch, members, seen, status):
        members_read.extend(members.tolist())
        return read(network, batch, members, seen, status)

    monkeypatch.setattr(backend, "read", counted)
    chosen = [geometries(records, ROWS)[name] for name in ("resized crop", "rotated", "whole, larger")]
    assert len(dispatch.decode_views(records, ROWS, chosen, FORMS, backend="cpu")) == 3
    assert sorted(members_read) == [0, 1, 2, 3]


def test_the_reference_reads_the_record_of_every_sample_once(cells_records, monkeypatch):
    rows_read, read = [], reference.read_weights

    def counted(network, records, rows, *, native):
        rows_read.extend(rows.tolist())
        return read(network, records, rows, native=native)

    monkeypatch.setattr(reference, "read_weights", counted)
    geometry = geometries(cells_records, ROWS)["resized crop"]
    dispatch.decode_views(cells_records, ROWS, [geometry] * 3, FORMS, backend="reference")
    assert sorted(rows_read) == sorted(ROWS.tolist())


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_damaged_record_is_reported_once_for_all_views(cells_records, backend):
    lengths = cells_records.lengths.clone()
    lengths[1] -= 40
    short = dataclasses.replace(cells_records, lengths=lengths)
    chosen = [geometries(cells_records, ROWS)[name] for name in ("resized crop", "rotated")]
    with pytest.raises(InvalidFileError) as raised:
        dispatch.decode_views(short, ROWS, chosen, FORMS[:2], backend=backend)
    assert raised.value.__context__ is None
    assert dispatch.decode_views(short, ROWS[:2], [g[:2] for g in chosen], FORMS[:2], backend=backend)


def test_views_need_a_form_each_and_the_samples_of_the_batch(cells_records):
    geometry = geometries(cells_records, ROWS)["resized crop"]
    with pytest.raises(UsageError, match="2 geometries with 1 pixel formats"):
        dispatch.decode_views(cells_records, ROWS, [geometry, geometry], FORMS[:1])
    with pytest.raises(GeometryError, match="2 samples for a batch of 4"):
        dispatch.decode_views(cells_records, ROWS, [geometry, geometry[:2]], FORMS[:2])
    assert dispatch.decode_views(cells_records, ROWS, [], []) == []
