import math

import pytest
import torch
from hypothesis import given, strategies as st

from inrformat.decoding import reference
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.geometry import MAX_OUTPUT_SIDE, Geometry, PaddingMode, fold
from inrformat.errors import GeometryError

EYE = [[[1.0, 0, 0], [0, 1, 0]]]
NATIVE = [[20, 30]]


@pytest.mark.parametrize(
    "matrices,size,message",
    [
        ([[[math.nan, 0, 0], [0, 1, 0]]], (8, 8), "not finite"),
        ([[[math.inf, 0, 0], [0, 1, 0]]], (8, 8), "not finite"),
        ([[[2.0**60, 0, 0], [0, 1, 0]]], (8, 8), "beyond"),
        ([[[1.0, 2, 0], [2, 4, 0]]], (8, 8), "determinant zero"),
        ([[[1.0, 0, 0], [0, 1, 0], [-0.2, 0, 1]]], (8, 8), "infinity"),
        (EYE, (0, 8), "output size"),
        (EYE, (8, MAX_OUTPUT_SIDE + 1), "output size"),
        ([[1.0, 0, 0], [0, 1, 0]], (8, 8), "expected"),
    ],
)
def test_maps_that_cannot_be_evaluated_are_refused(matrices, size, message):
    with pytest.raises(GeometryError, match=message):
        Geometry.of(matrices, native=NATIVE, size=size)


def test_displacements_must_be_finite_and_of_the_outputs_shape():
    with pytest.raises(GeometryError, match="not finite"):
        Geometry.of(EYE, native=NATIVE, size=(8, 8), displacement=torch.full((1, 8, 8, 2), math.nan))
    with pytest.raises(GeometryError, match="displacement of"):
        Geometry.of(EYE, native=NATIVE, size=(8, 8), displacement=torch.zeros(1, 8, 9, 2))


def test_fills_must_fit_the_channels():
    geometry = Geometry.of(EYE, native=NATIVE, size=(8, 8), fill=(0.1, 0.2))
    with pytest.raises(GeometryError, match="2 numbers"):
        geometry.fills(3)


def test_a_matrix_is_aligned_when_it_only_scales_flips_and_shifts():
    assert Geometry.of([[[-1.0, 0, 30], [0, 2, 1]]], native=NATIVE, size=(8, 8)).aligned
    assert not Geometry.of([[[1.0, 0.1, 0], [0, 1, 0]]], native=NATIVE, size=(8, 8)).aligned


@given(st.floats(-1e4, 1e4), st.sampled_from(list(PaddingMode)))
def test_folded_positions_lie_in_the_window(position, padding_mode):
    low, high = torch.tensor(3.0, dtype=torch.float64), torch.tensor(17.0, dtype=torch.float64)
    at = float(fold(torch.tensor(position, dtype=torch.float64), low, high, padding_mode))
    assert 3 <= at <= 17
    if 3.5 <= position <= 16.5:
        assert at == pytest.approx(position, abs=1e-9)


def test_footprints_are_the_pixels_that_an_output_pixel_spans():
    canvas = Canvas.of([120], [90]).resize(30, 60).rotate(90.0)
    assert canvas.geometry().footprints()[0].tolist() == pytest.approx([4, 1.5])


@pytest.mark.parametrize("family", ["cells", "siren"])
def test_decoding_is_differentiable_in_weights_and_positions(request, family):
    records = request.getfixturevalue(f"{family}_records")
    number, height, width = records.shapes[0].tolist()
    network = records.networks[number]
    weights = reference.read_weights(network, records, torch.tensor([0]), native=(height, width)).double()
    leaves = list(weights.planes.values()) if family == "cells" else [weights]
    for leaf in leaves:
        leaf.requires_grad_()
    shift = torch.zeros(1, 6, 5, 2, dtype=torch.float64, requires_grad=True)
    canvas = Canvas.of([height], [width]).crop(4, 3, 6, 5)

    def picture(displacement):
        return reference.render(network, weights, canvas.displace(displacement).geometry(), native=(height, width))

    picture(shift).square().sum().backward()
    assert any(leaf.grad is not None and leaf.grad.abs().sum() > 0 for leaf in leaves)
    assert shift.grad is not None
    # The slope that positions get is the analytic one of the picture; the fill begins at the frame's outermost pixels.
    nudge = torch.zeros(1, 6, 5, 2, dtype=torch.float64)
    nudge[:, 1:-1, 1:-1, 0] = 1e-5
    with torch.no_grad():
        change = (picture(shift + nudge).square() - picture(shift - nudge).square()).sum() / 2e-5
    assert float(shift.grad[:, 1:-1, 1:-1, 0].sum()) == pytest.approx(float(change), rel=1e-4, abs=1e-6)
