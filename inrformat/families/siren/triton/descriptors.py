"""``Siren`` descriptors as the flat arrays that its kernels read (``decoding/triton/descriptors.py``).

Parameters of all sirens of a file are padded with zeros to one shape: weights ``(layers, width out, width in)``, then
biases ``(layers, width)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
import triton.language as tl
from numpy.typing import NDArray

from inrformat.coding.tables import TableSet
from inrformat.decoding.triton.descriptors import IN_FAMILY, DescriptorArrays, Descriptors
from inrformat.families.family import Network
from inrformat.families.siren.descriptor import Siren, layer_slices

__all__ = [
    "COLOUR",
    "FIELDS",
    "LAYERS",
    "LOW_BIT_COUNT",
    "PARAMETER_COUNT",
    "POSITIONS",
    "QUANTIZATION",
    "RANS_LANES",
    "SYMBOLS",
    "PaddedShape",
    "flatten",
    "padded_shape",
]

QUANTIZATION = tl.constexpr(1)
"""Where the list begins in ``floats`` of each parameter's quantization step, and behind it of each one's base."""
POSITIONS = tl.constexpr(2)
"""Where the list begins in ``integers`` of each parameter's padded position."""
RANS_LANES = tl.constexpr(3)
PARAMETER_COUNT = tl.constexpr(4)
SYMBOLS = tl.constexpr(5)
"""Where the list begins in ``integers`` of each symbol's table, the step scale's first, and behind it that of low bits:
those of symbols before it and its own, ``before << 4 | own``."""
LAYERS = tl.constexpr(6)
COLOUR = tl.constexpr(7)
"""Where its C x C matrix begins in ``floats``: image channels, the columns, of the network's."""

LOW_BIT_COUNT = tl.constexpr(8)
"""Low bits of all symbols."""
FIELDS = tl.constexpr(9)


class PaddedShape(NamedTuple):
    """Layers and units of each layer that hold every siren of a file; units are a power of two, 16 or more."""

    layers: int
    units: int

    @property
    def size(self) -> int:
        """Parameters of a padded network, a multiple of 16."""
        return self.layers * self.units * (self.units + 1)

    def positions(self, widths: tuple[int, ...]) -> NDArray[np.int64]:
        """Where each parameter of a network of those ``widths`` lies in the padded one, int64 ``(P,)``."""
        parts = []
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            into, out = np.arange(inputs), np.arange(outputs)
            parts.append(((number * self.units + out[:, None]) * self.units + into).ravel())
            parts.append((self.layers * self.units + number) * self.units + out)
        return np.concatenate(parts)


def padded_shape(networks: Sequence[Network]) -> PaddedShape:
    """The shape that the sirens among ``networks`` have in common; there must be one."""
    widths = [network.widths for network in networks if isinstance(network, Siren)]
    widest = max(max(w) for w in widths)
    return PaddedShape(layers=max(len(w) for w in widths) - 1, units=max(1 << (widest - 1).bit_length(), 16))


def flatten(networks: Sequence[Network], *, tables: TableSet, shape: PaddedShape, device: torch.device) -> Descriptors:
    """The sirens among a file's networks, on ``device``; ``tables``: of the file."""
    arrays = DescriptorArrays(networks=len(networks), fields=FIELDS.value)
    for head, network in zip(arrays.heads, networks, strict=True):
        if isinstance(network, Siren):
            _add_network(network, head, arrays, tables=tables, shape=shape)
    return arrays.to(device)


def _add_network(
    network: Siren, head: NDArray[np.int32], arrays: DescriptorArrays, *, tables: TableSet, shape: PaddedShape
) -> None:
    parameters = network.parameter_count
    base = np.zeros(parameters) if network.base is None else network.base
    # Sines are taken of half turns. The last layer has none.
    scale = np.full(parameters, network.omega / np.pi)
    scale[layer_slices(network.widths)[-1][0].start :] = 1
    head[IN_FAMILY.value] = 1
    head[QUANTIZATION.value] = arrays.floats.add([network.step_vector * scale, base * scale])
    head[RANS_LANES.value] = network.rans_lanes
    head[PARAMETER_COUNT.value] = parameters
    head[POSITIONS.value] = arrays.integers.add(shape.positions(network.widths))
    low_bits = tables.low_bits[network.symbol_tables].astype(np.int64)
    head[SYMBOLS.value] = arrays.integers.add([network.symbol_tables, (np.cumsum(low_bits) - low_bits) << 4 | low_bits])
    head[LOW_BIT_COUNT.value] = low_bits.sum()
    head[LAYERS.value] = len(network.widths) - 1
    head[COLOUR.value] = arrays.floats.add(np.eye(network.channels))
