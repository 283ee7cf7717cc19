"""Symbol tables learned from quantized networks, and what records cost and are under them.

Dense and pruned networks differ in how often a symbol is 0: each kind has a descriptor and tables of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.families.codebook import Codebook
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.encoder.batches import QuantizedBatch
from inrformat.families.siren.record import write_records

__all__ = ["NetworkKind", "RecordCoder", "SirenCodebook", "learn_codebook", "overhead_bytes", "own_coder"]


class NetworkKind(IntEnum):
    """Which descriptor a network is written under; the numbers are theirs in the codebook."""

    DENSE = 0
    PRUNED = 1


@dataclass(frozen=True, slots=True, eq=False)
class RecordCoder:
    """A descriptor with the tables that it refers to."""

    network: Siren
    tables: TableSet

    def expected_bytes(self, symbols: NDArray[np.int32]) -> NDArray[np.float64]:
        """Record lengths of networks with ``symbols (B, P)`` by the cost of their symbols: float64 ``(B,)``."""
        bits = np.zeros(len(symbols))
        for table in sorted(set(self.network.tables)):
            bits += self.tables.tables[table].cost_bits(symbols[:, self.network.table_vector == table]).sum(1)
        return bits / 8 + overhead_bytes(self.network)

    def write(self, symbols: NDArray[np.int32], scales: NDArray[np.int32]) -> list[bytes]:
        """Records of networks with ``symbols (B, P)`` and ``scales (B,)``."""
        return write_records(self.network, symbols, scales, self.tables)

    def token_count(self) -> int:
        """Of all tables of weights."""
        return sum(len(self.tables.tables[table].freqs) for table in self.network.tables)


def overhead_bytes(network: Siren) -> float:
    """The scale, a byte that each lane's first state leaves unused; rounding up."""
    return 3.0 + network.rans_lanes


@dataclass(frozen=True, slots=True, eq=False)
class SirenCodebook:
    """Descriptors of the dense and, where there are any, of the pruned networks, and all their tables."""

    tables: TableSet
    dense: Siren
    pruned: Siren | None = None

    @classmethod
    def of(cls, codebook: Codebook) -> Self:
        """From one as it is stored."""
        dense, *pruned = (network for network in codebook.networks if isinstance(network, Siren))
        return cls(codebook.tables, dense, *pruned)

    def coder(self, kind: NetworkKind) -> RecordCoder:
        """For networks of that kind; pruned ones are priced as dense ones where no others have been learned from."""
        network = self.pruned if kind is NetworkKind.PRUNED and self.pruned is not None else self.dense
        return RecordCoder(network, self.tables)

    def to_codebook(self) -> Codebook:
        """As it is stored."""
        return Codebook(self.tables, (self.dense,) if self.pruned is None else (self.dense, self.pruned))


def learn_codebook(
    network: Siren, dense: QuantizedBatch, pruned: QuantizedBatch | None = None, *, complete: bool
) -> SirenCodebook:
    """The codebook for records like those of ``dense`` and ``pruned`` networks; ``network`` has the steps of both.

    ``complete`` says that the dense networks are all there will be; the pruned ones always are a sample.
    """
    tables = _tables_of(network, dense, complete=complete)
    dense_network = _numbered(network, first_table=0)
    if pruned is None:
        return SirenCodebook(TableSet.of(tables), dense_network)
    pruned_network = _numbered(network, first_table=len(tables))
    return SirenCodebook(
        TableSet.of([*tables, *_tables_of(network, pruned, complete=False)]), dense_network, pruned_network
    )


def own_coder(network: Siren, quantized: QuantizedBatch) -> RecordCoder:
    """Tables for just these networks."""
    tables = _tables_of(network, quantized, complete=True)
    return RecordCoder(_numbered(network, first_table=0), TableSet.of(tables))


def _tables_of(network: Siren, quantized: QuantizedBatch, *, complete: bool) -> list[SymbolTable]:
    """One table for each group of weights, then one for scales."""
    values = [*np.split(quantized.symbols, np.cumsum(network.group_sizes)[:-1], axis=1), quantized.scales]
    return [SymbolTable.from_values(v, complete=complete) for v in values]


def _numbered(network: Siren, *, first_table: int) -> Siren:
    scale_table = first_table + len(network.group_sizes)
    return replace(network, tables=tuple(range(first_table, scale_table)), scale_table=scale_table)
