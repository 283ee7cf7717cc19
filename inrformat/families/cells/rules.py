"""The rules that only ``cells`` descriptors and records can break (spec section 11)."""

from __future__ import annotations

from inrformat.container.rules import error_rule

__all__ = ["RULES"]

RULES = (
    error_rule("CELLS-FORM", "a cells descriptor has the keys and sizes of the specification and no others"),
    error_rule("CELLS-COLOUR", "a cells descriptor's colour matrix is orthonormal"),
    error_rule("CELLS-STEP", "a cells descriptor's step and lane pixels are within their ranges"),
    error_rule("CELLS-LEVEL", "a level of a cells descriptor has classes that agree in number and fit its side"),
    error_rule("CELLS-KEPT", "a class of cells keeps 1 to side x side hidden units"),
    error_rule("CELLS-TABLES", "a cells descriptor names existing symbol tables"),
    error_rule("CELLS-SCALE", "a cells record's step scale is in -32..32"),
    error_rule("CELLS-CLASS", "a cells record gives every node a class that exists"),
)
