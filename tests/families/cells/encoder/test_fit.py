"""The fit gives inner products with orthonormal units, in their order, whatever the size of the image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inrformat.families.cells.encoder.fit import fit
from inrformat.families.cells.nodes import CELL_SIDES, basis, grid, unit_order


@settings(deadline=None)  # the first example loads compiled code
@given(height=st.integers(1, 70), width=st.integers(1, 70), channels=st.integers(1, 4), seed=st.integers(0, 99))
def test_weights_are_inner_products_of_pixels_and_units(height: int, width: int, channels: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    fitted = fit(image, np.eye(channels, dtype=np.float32))
    pixels = np.pad(image, ((0, -height % 32), (0, -width % 32), (0, 0)), mode="edge") - 128.0
    for side in CELL_SIDES:
        rows, columns = grid(height, width, side)
        cells = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, channels)
        weights = np.einsum("bi,ricjk,aj->rckba", basis(side), cells, basis(side))
        expected = weights.reshape(rows * columns, channels, -1)[..., unit_order(side)]
        np.testing.assert_allclose(fitted.weights[side], expected, atol=0.01)


@pytest.mark.parametrize("side", CELL_SIDES)
def test_a_fit_loses_no_energy(side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    weights = fit(image, np.eye(3, dtype=np.float32)).weights[side]
    assert np.square(weights, dtype=np.float64).sum() == pytest.approx(np.square(image - 128.0).sum(), rel=1e-5)
