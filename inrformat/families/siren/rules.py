"""The rules that only ``siren`` descriptors and records can break (spec section 11)."""

from __future__ import annotations

from inrformat.container.rules import error_rule

__all__ = ["RULES"]

RULES = (
    error_rule("SIREN-FORM", "a siren descriptor has the keys of the specification and no others"),
    error_rule("SIREN-WIDTHS", "a siren has 2 inputs and 1 to 63 layers of 1 to 4096 units"),
    error_rule("SIREN-STEPS", "a siren has a positive finite step for each parameter group and a finite omega"),
    error_rule("SIREN-TABLES", "a siren names an existing symbol table for each parameter group"),
    error_rule("SIREN-BASE", "a siren's base has one finite number for each parameter"),
)
