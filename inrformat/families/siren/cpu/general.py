"""A ``siren`` network to its outputs under a map that is not aligned (spec sections 6.1 and 8.2), compiled."""

from __future__ import annotations

from typing import Any

from inrformat.decoding.cpu.batch import Maps, Sample
from inrformat.decoding.cpu.sampling import positions_in_window, taps_of
from inrformat.families.siren.cpu.descriptors import FlatSiren
from inrformat.families.siren.cpu.mlp import evaluate_at
from inrformat.jit import relaxed_part

__all__ = ["evaluate_general"]


@relaxed_part
def evaluate_general(network: FlatSiren, parameters: Any, sample: Sample, maps: Maps, b: int, out: Any) -> None:
    """Fill ``out``, float32 ``(H, C, W)``, under the map of sample b."""
    taps, flat = taps_of(maps, b), out.reshape(-1)
    out[:] = 0
    for t in range(len(taps.weights)):
        x, y = positions_in_window(maps, b, taps.shifts[t, 0], taps.shifts[t, 1])
        outputs, weight = evaluate_at(network, parameters, sample, x, y, maps.width).reshape(-1), taps.weights[t]
        for i in range(len(flat)):
            flat[i] += weight * outputs[i]
