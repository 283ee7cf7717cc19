"""The record of a ``siren`` image: its step scale, then one symbol for each parameter (spec section 6.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans_numba import RecordDecoder, encode_record
from inrformat.coding.tables import TableSet
from inrformat.families.family import SymbolDecoder
from inrformat.families.siren.descriptor import Siren

__all__ = ["read_record", "read_records", "write_records"]


def write_records(network: Siren, symbols: NDArray[Any], scales: NDArray[Any], tables: TableSet) -> list[bytes]:
    """Records of networks with quantized parameters ``symbols (B, P)`` and step scales ``scales (B,)``."""
    ids = network.symbol_tables.astype(np.int32)
    values = np.concatenate([scales[:, None], symbols], axis=1).astype(np.int32)
    return [encode_record(row, ids, np.array([len(ids)]), tables, lanes=network.rans_lanes) for row in values]


def read_record(
    network: Siren, record: bytes, tables: TableSet, *, height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Scale int32 ``(1,)`` and symbols int32 ``(P,)`` of one record of that native size in pixels (compiled coder)."""
    decoder = RecordDecoder(record, tables, lanes=network.lanes(height=height, width=width))
    values = decoder.decode_body(network.symbol_tables.astype(np.int32))
    return values[:1], values[1:]


def read_records(network: Siren, decoder: SymbolDecoder) -> tuple[Any, Any]:
    """Scales int32 ``(B,)`` and symbols int32 ``(B, P)`` of the decoder's records."""
    values = decoder.decode_body(network.symbol_tables)
    return values[:, 0], values[:, 1:]
