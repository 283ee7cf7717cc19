import logging

import pytest
import torch

from inrformat.decoding import dispatch
from inrformat.decoding.availability import Backend, Lack, Missing, backends
from inrformat.decoding.canvas import Canvas
from inrformat.errors import DeviceError, GeometryError


def test_the_choice_is_logged(caplog):
    dispatch._choose.cache_clear()
    with caplog.at_level(logging.INFO):
        assert dispatch.backend_for(torch.device("cpu")).name == "cpu"
    assert "decoding on cpu with cpu" in caplog.text


def test_without_numba_the_reference_decodes_and_the_log_says_so(monkeypatch, caplog):
    missing = Missing(Lack.NUMBA, "numba is not installed: pip install numba")
    without = tuple(b if b.name != "cpu" else Backend("cpu", "cpu", missing) for b in backends())
    monkeypatch.setattr(dispatch, "backends", lambda: without)
    dispatch._choose.cache_clear()
    assert dispatch.backend_for(torch.device("cpu")).name == "reference"
    assert "pip install numba" in caplog.text
    dispatch._choose.cache_clear()
    with pytest.raises(DeviceError, match="pip install numba"):
        dispatch.backend_for(torch.device("cpu"), wanted="cpu")


def test_backends_that_do_not_fit_are_refused():
    with pytest.raises(DeviceError, match="unknown decoder"):
        dispatch.backend_for(torch.device("cpu"), wanted="gpu")
    with pytest.raises(DeviceError, match="works on cpu"):
        dispatch.backend_for(torch.device("cuda"), wanted="cpu")


def test_a_batch_and_its_geometry_must_agree(cells_records):
    geometry = Canvas.of([72, 72], [96, 96]).resize(16, 16).geometry()
    with pytest.raises(GeometryError, match="2 samples for a batch of 1"):
        dispatch.decode(cells_records, torch.tensor([0]), geometry)


def test_files_beyond_the_kernels_are_decoded_by_the_reference_unless_they_were_asked_for(
    cells_records, monkeypatch, caplog
):
    def refuse(*_):
        raise DeviceError("a siren of 900 units in a layer")

    geometry = Canvas.of([72], [96]).resize(16, 16).geometry()
    expected = dispatch.decode(cells_records, torch.tensor([0]), geometry, backend="reference")
    runner = dispatch._runner
    monkeypatch.setattr(dispatch, "_runner", lambda name: refuse if name == "cpu" else runner(name))
    assert torch.equal(dispatch.decode(cells_records, torch.tensor([0]), geometry), expected)
    assert "900 units" in caplog.text
    with pytest.raises(DeviceError, match="900 units"):
        dispatch.decode(cells_records, torch.tensor([0]), geometry, backend="cpu")
