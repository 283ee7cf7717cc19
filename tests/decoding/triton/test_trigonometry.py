"""What the device's own sine costs in accuracy. It is emulated: interpreters do not have it."""

import numpy as np

PTX_ERROR = 2**-20.5
"""Of ``sin.approx.f32`` within two turns, by the PTX manual."""


def device_sine(x):
    """``sin.approx.f32`` as NVIDIA's GPUs compute it: turns, rounded towards zero, then a table; at its worst."""
    x = x.astype(np.float32)
    turns = x.astype(np.float64) * np.float32(0.5 / np.pi)
    rounded = turns.astype(np.float32)
    away = np.abs(rounded) > np.abs(turns)
    rounded[away] = np.nextafter(rounded[away], np.float32(0))
    worst = np.where(np.arange(x.size) % 2, PTX_ERROR, -PTX_ERROR).reshape(x.shape)
    return np.sin(2 * np.pi * rounded.astype(np.float64)) + worst


def test_the_emulated_sine_is_as_far_off_as_the_manual_says():
    for turns, error in ((2, 2**-20.5), (50, 2**-14.7)):
        x = np.linspace(-turns * np.pi, turns * np.pi, 1_000_001, dtype=np.float32)
        off = np.abs(device_sine(x) - np.sin(x.astype(np.float64))).max()
        assert error / 8 < off < 2 * error


def siren_colours(weights, *, sine, round_activations):
    """A siren of omega 30 at random positions, products in float64."""
    rng = np.random.default_rng(1)
    h = rng.uniform(-1, 1, (4096, 2))
    for layer, w in enumerate(weights):
        z = h @ (w.astype(np.float16) if layer else w).astype(np.float64)
        if layer < len(weights) - 1:
            h = sine(30 * z)
            h = h.astype(np.float16).astype(np.float64) if round_activations else h
    return z


def test_the_devices_sine_moves_colours_less_than_rounding_activations_to_float16_does():
    rng = np.random.default_rng(0)
    widths = [2, *[28] * 10, 3]
    bounds = [0.5] + [np.sqrt(6 / 28) / 30] * 10
    weights = [rng.uniform(-b, b, (i, o)) for b, i, o in zip(bounds, widths, widths[1:], strict=False)]
    exact = siren_colours(weights, sine=np.sin, round_activations=False)
    by_rounding = np.abs(siren_colours(weights, sine=np.sin, round_activations=True) - exact)
    by_sine = np.abs(siren_colours(weights, sine=device_sine, round_activations=False) - exact)
    assert 0 < by_sine.max() < by_rounding.max() / 10
