"""Filtered hidden units of an axis."""

import numba
import numpy as np
import pytest

from inrformat.decoding.cpu.axes import Axis, axis_taps
from inrformat.decoding.geometry import PaddingMode
from inrformat.families.cells.cpu.basis import aligned_basis
from inrformat.families.cells.nodes import basis

PIXELS = 75
compiled = numba.njit(lambda cell_at, axis: aligned_basis(cell_at, axis_taps(axis), axis_taps(axis)))


@pytest.fixture(scope="module")
def native():
    """At native size every output is one pixel centre, whose hidden units are orthonormal."""
    axis = Axis(1.0, 0.0, 0.0, float(PIXELS), 1.0, PIXELS, int(PaddingMode.EXTEND), True)
    places = (PIXELS + 7) // 8
    return compiled(np.zeros((places, places), np.int32), axis)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_at_native_size_they_are_the_hidden_units_at_pixel_centres(native, level):
    side = 32 >> level
    down, across = native.down[level], native.across[level]
    by_output, by_unit = down.units.reshape(-1, side), across.units.reshape(side, -1)
    for cell in range(-(-PIXELS // side)):
        count = min(PIXELS - cell * side, side)
        expected = basis(side)[:, :count]
        for axis in (down, across):
            assert (axis.first[cell], axis.end[cell]) == (cell * side, cell * side + count)
        np.testing.assert_allclose(by_output[down.base[cell] :][:count].T, expected, atol=1e-5)
        np.testing.assert_allclose(by_unit[:, across.base[cell] :][:, :count], expected, atol=1e-5)
