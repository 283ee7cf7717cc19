"""The ``cells`` family: local sine networks with shared hidden units, fitted in closed form (spec section 6.2)."""

from __future__ import annotations

from pathlib import Path

from inrformat.families.cells.rules import RULES
from inrformat.families.family import Family, module

__all__ = ["FAMILY"]

FAMILY = Family(
    name="cells",
    summary="local sine networks with shared hidden units, fitted in closed form",
    rules=RULES,
    parse=module("inrformat.families.cells.descriptor", "parse"),
    describe=module("inrformat.families.cells.descriptor", "describe"),
    reference=module("inrformat.families.cells.reference"),
    cpu=module("inrformat.families.cells.cpu.backend"),
    triton=module("inrformat.families.cells.triton.backend"),
    encoder=module("inrformat.families.cells.encoder.encoder"),
    options=module("inrformat.families.cells.encoder.options", "CellsOptions"),
    flags=module("inrformat.families.cells.flags"),
    codebooks=Path(__file__).parent / "builtin",
)
