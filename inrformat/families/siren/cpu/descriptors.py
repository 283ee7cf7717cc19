"""Descriptors of ``siren`` as flat arrays, which compiled code reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import TableSet
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.padding import PaddedParameters

__all__ = ["FlatSiren", "flatten"]


class FlatSiren(NamedTuple):
    """A `Siren` descriptor of P parameters, whose layers are padded as compiled code takes them (``PaddedParameters``).

    Attributes:
        tables: int32 ``(1 + P,)``, table of the record's scale and of each parameter.
        steps, base: float32 ``(P,)``, quantization steps and what parameters are differences to.
        places: int64 ``(P,)``, of each parameter in the padded vector. padded_count: length of that vector.
        widths: int64 ``(L + 1,)``, padded. widest: the greatest of them.
    """

    channels: int
    omega: np.float32
    tables: NDArray[np.int32]
    steps: NDArray[np.float32]
    base: NDArray[np.float32]
    places: NDArray[np.int64]
    padded_count: int
    widths: NDArray[np.int64]
    widest: int


def flatten(network: Siren, _tables: TableSet) -> FlatSiren:
    """See ``CpuBackend.flatten``."""
    padding = PaddedParameters.of(network.widths)
    return FlatSiren(
        channels=network.channels,
        omega=np.float32(network.omega),
        tables=network.symbol_tables.astype(np.int32),
        steps=network.step_vector,
        base=np.zeros(network.parameter_count, np.float32) if network.base is None else network.base.copy(),
        places=padding.places,
        padded_count=padding.size,
        widths=padding.widths,
        widest=int(padding.widths.max()),
    )
