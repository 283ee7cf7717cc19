"""Filters and window coverage of maps, against what the geometry and the reference say."""

from itertools import pairwise

import numba
import numpy as np
import pytest
import torch

from inrformat.decoding.canvas import Canvas
from inrformat.decoding.cpu.axes import aligned_coverage, axis_taps, horizontal_axis, vertical_axis
from inrformat.decoding.cpu.batch import Maps
from inrformat.decoding.cpu.sampling import taps_of
from inrformat.decoding.geometry import PaddingMode
from inrformat.decoding.reference import _axis


@numba.njit
def compiled_coverage(maps, b):
    return aligned_coverage(maps, b)


@numba.njit
def compiled_axis_taps(axis):
    return axis_taps(axis)


@numba.njit
def compiled_taps(maps, b):
    return taps_of(maps, b)


def shrunk():
    """Two samples of one map that shrinks and turns: several evaluations for each output pixel."""
    return Canvas.of([90, 90], [120, 120]).resize(20, 26).rotate(20.0).geometry()


def test_taps_are_those_of_the_geometry():
    geometry = shrunk()
    counts, reach = geometry.taps()
    taps = compiled_taps(Maps.of(geometry), 1)
    n = int(counts[1].prod())
    assert n > 1
    assert taps.shifts.shape == (n, 2)
    assert taps.weights.sum() == pytest.approx(1)
    assert (np.abs(taps.shifts).max(0) < reach[1].numpy()).all()
    np.testing.assert_allclose(taps.weights @ taps.shifts, 0, atol=1e-12)


@pytest.mark.parametrize("side", [17, 31, 64])
@pytest.mark.parametrize("padding_mode", list(PaddingMode)[1:])
def test_axes_of_aligned_maps_are_those_of_the_reference(side, padding_mode):
    start = Canvas.of([40], [50]).crop(0, 0, 20, 20).pad(9, 9, 9, 9, padding_mode=padding_mode)
    geometry = start.resize(side, side + 3).geometry()
    maps = Maps.of(geometry)
    coverage = []
    for axis, own in ((1, vertical_axis(maps, 0)), (0, horizontal_axis(maps, 0))):
        positions, weights, covered = _axis(geometry, axis)
        taps = compiled_axis_taps(own)
        filtered = positions.double() if weights is None else weights.double() @ positions.double()
        sums = [taps.weights[a:b] @ taps.positions[a:b] for a, b in pairwise(taps.starts)]
        np.testing.assert_allclose(sums, filtered, atol=1e-3)
        coverage.append(covered)
    if padding_mode is PaddingMode.CONSTANT:
        expected = torch.outer(*coverage)
        np.testing.assert_allclose(compiled_coverage(maps, 0), expected, atol=1e-5)
    else:
        assert compiled_coverage(maps, 0).shape == (0, 0)
