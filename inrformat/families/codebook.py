"""The codebook of a file: symbol tables and network descriptors, checked (spec section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.container.index import RecordIndex
from inrformat.container.limits import DEFAULT_LIMITS, Limits
from inrformat.errors import InvalidFileError, LimitError
from inrformat.families.builtin import builtin_codebook_map
from inrformat.families.family import Network
from inrformat.families.registry import family_named

__all__ = ["Codebook"]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Codebook:
    """What all records of a file share.

    Attributes:
        tables, networks: by number. builtin: name of the built-in codebook that these are, but for the step, or None.
    """

    tables: TableSet
    networks: tuple[Network, ...]
    builtin: str | None = None

    def to_map(self) -> dict[str, Any]:
        """The codebook section's map."""
        if self.builtin is not None:
            return {"builtin": self.builtin, "step": self.networks[0].to_map()["step"]}
        return {
            "networks": [network.to_map() for network in self.networks],
            "tables": [table.to_map() for table in self.tables.tables],
        }

    @classmethod
    def from_map(cls, stored: Mapping[str, Any], *, limits: Limits = DEFAULT_LIMITS) -> Codebook:
        """Parse and check ``InrdReader.codebook``; keys this version does not know are ignored.

        Raises:
            InvalidFileError: a table or descriptor is malformed. LimitError: too many of them, or too large.
            UnsupportedVersionError: a network family or built-in codebook this reader does not know.
        """
        builtin = None
        if "builtin" in stored:
            builtin = stored["builtin"]
            stored = _referred_to(stored)
        tables, networks = stored.get("tables"), stored.get("networks")
        if not isinstance(tables, list) or not isinstance(networks, list):
            raise InvalidFileError("CODEBOOK-FORM", "codebook: expected the lists tables and networks")
        if len(tables) > limits.max_tables or len(networks) > limits.max_networks:
            raise LimitError("LIMIT-CODEBOOK", f"codebook: {len(tables)} tables, {len(networks)} networks")
        table_set = TableSet.of([SymbolTable.from_map(t) for t in tables])
        return cls(table_set, tuple(_parse_network(n, len(tables), limits) for n in networks), builtin)

    def check(self, index: RecordIndex, *, limits: Limits = DEFAULT_LIMITS) -> None:
        """Check that every record refers to a network that exists and that none is too much work to decode."""
        if not len(index):
            return
        keys = (index.networks.astype(np.int64) << 32) | (index.heights << 16) | index.widths  # sides: 1 to 16384
        for key in np.unique(keys).tolist():
            number, height, width = key >> 32, (key >> 16) & 0xFFFF, key & 0xFFFF
            if number >= len(self.networks):
                raise InvalidFileError("INDEX-NETWORK", f"a record uses network {number} of {len(self.networks)}")
            work = self.networks[number].multiply_adds(height=height, width=width)
            if work > limits.max_multiply_adds:
                raise LimitError("LIMIT-MULTIPLY-ADDS", f"a record of {height}x{width} takes {work} multiply-adds")


def _referred_to(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The map of the built-in codebook that ``stored`` names, with the step of ``stored``."""
    match stored:
        case {"builtin": str(name), "step": float(step), **rest} if not {"tables", "networks"} & rest.keys():
            whole = builtin_codebook_map(name)
            return {**whole, "networks": [{**network, "step": step} for network in whole["networks"]]}
    raise InvalidFileError("CODEBOOK-FORM", "codebook: expected builtin and step, without tables or networks")


def _parse_network(stored: Any, table_count: int, limits: Limits) -> Network:
    family = stored.get("family") if isinstance(stored, dict) else None
    if not isinstance(family, str):
        raise InvalidFileError("NETWORK-FORM", "network descriptor: expected a map with the key family")
    network: Network = family_named(family).parse()(stored, table_count=table_count)
    if network.parameter_count > limits.max_parameters:
        raise LimitError("LIMIT-PARAMETERS", f"network of {network.parameter_count} parameters")
    return network
