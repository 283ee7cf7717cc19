import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from inrformat.decoding.exact_math import cosine, exponential, sine


@settings(max_examples=300, deadline=None)
@given(st.floats(-1e6, 1e6))
def test_sines_and_cosines_of_degrees_are_accurate(degrees):
    # The reduced angle is as exact as 1 / 360 is a float64.
    exact = np.deg2rad(np.fmod(degrees, 360.0))
    error = 1e-14 + abs(degrees) * 1e-17
    assert sine(degrees) == pytest.approx(np.sin(exact), abs=error)
    assert cosine(degrees) == pytest.approx(np.cos(exact), abs=error)


def test_no_angle_leaves_the_frame_exactly_as_it_is():
    assert sine(0.0) == 0.0 and cosine(0.0) == 1.0


@given(st.floats(-5, 5))
def test_exponentials_are_accurate(x):
    assert exponential(x) == pytest.approx(np.exp(x), rel=1e-11)


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=40))
def test_tensors_give_the_bits_of_numbers(values):
    given = torch.tensor(values, dtype=torch.float64)
    for function in (sine, cosine):
        assert function(given).tolist() == [function(value) for value in values]
