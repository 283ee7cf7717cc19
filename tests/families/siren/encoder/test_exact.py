"""Arithmetic that decides bytes: its order is the one that is written down, its functions are what they stand for."""

import math

import numpy as np
import pytest

from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.encoder.adam_schedule import adam_schedule
from inrformat.families.siren.encoder.engine import AdamConfig
from inrformat.families.siren.encoder.lanes import ROWS, TILE_PIXELS, add_products, add_row_sums, add_square_sums
from inrformat.families.siren.encoder.quantize import weight_steps
from inrformat.families.siren.encoder.rate_control import scales_for_noise
from inrformat.jit import exact

LANES = 8


@exact
def reduced(products, row_sums, square_sums, left, right):
    add_products(products, ROWS, left, right)
    add_row_sums(row_sums, left)
    add_square_sums(square_sums, left)


def halves(lanes):
    """Float32 (..., 8) added up as halves, quarters, pairs."""
    while lanes.shape[-1] > 2:
        middle = lanes.shape[-1] // 2
        lanes = lanes[..., :middle] + lanes[..., middle:]
    return lanes[..., 0] + lanes[..., 1]


def one_after_the_other(left, right):
    """Sums of products, float32 (n,) of (n, T): lane by lane, each product added with one rounding."""
    total = np.zeros((len(left), LANES), np.float32)
    for column in range(0, TILE_PIXELS, LANES):
        a, b = (x[:, column : column + LANES].astype(np.float64) for x in (left, right))
        total = (a * b + total).astype(np.float32)
    return halves(total)


def test_sums_are_added_in_the_order_that_is_written_down():
    left, right = np.random.default_rng(0).standard_normal((2, ROWS, TILE_PIXELS)).astype(np.float32)
    products, row_sums, square_sums = (np.zeros(n, np.float32) for n in (ROWS * ROWS, ROWS, ROWS))
    reduced(products, row_sums, square_sums, left.ravel(), right.ravel())
    pairs = np.repeat(left, ROWS, axis=0), np.tile(right, (ROWS, 1))
    assert products.tolist() == one_after_the_other(*pairs).tolist()
    assert row_sums.tolist() == one_after_the_other(left, np.ones_like(left)).tolist()
    assert square_sums.tolist() == one_after_the_other(left, left).tolist()


def test_the_schedule_is_adam_s_with_cosine_decay():
    schedule = adam_schedule(AdamConfig(steps=50, learning_rate=2e-3, floor=0.25))
    for t in range(50):
        cosine = 0.25 + 0.75 * 0.5 * (1 + math.cos(math.pi * t / 50))
        assert schedule.rates[t] == pytest.approx(2e-3 * cosine / (1 - 0.9 ** (t + 1)), rel=1e-6)
        assert schedule.corrections[t] == pytest.approx(1 / (1 - 0.999 ** (t + 1)), rel=1e-6)


def test_scales_are_eighths_of_an_octave_of_the_step_and_quarters_of_the_noise():
    network = Siren((2, 1, 3), 30.0, (1.0, 2.0, 3.0, 4.0), (0,) * 4, 0)
    scales = np.arange(-96, 97, dtype=np.int32)
    assert np.allclose(weight_steps(network, scales)[:, 0], 2 ** (scales / 8), rtol=1e-7)
    noise = np.random.default_rng(0).uniform(-20, 20, 1000)
    assert scales_for_noise(np.ones(1000), 2**noise).tolist() == np.floor(4 * noise).tolist()
