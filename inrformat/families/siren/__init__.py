"""The ``siren`` family: a sine multilayer perceptron for each image, fitted by gradient descent (spec section 6.1)."""

from __future__ import annotations

from inrformat.families.family import Family, module
from inrformat.families.siren.rules import RULES

__all__ = ["FAMILY"]

FAMILY = Family(
    name="siren",
    summary="a sine multilayer perceptron for each image, fitted by gradient descent",
    rules=RULES,
    parse=module("inrformat.families.siren.descriptor", "parse"),
    describe=module("inrformat.families.siren.descriptor", "describe"),
    reference=module("inrformat.families.siren.reference"),
    cpu=module("inrformat.families.siren.cpu.backend"),
    triton=module("inrformat.families.siren.triton.backend"),
    encoder=module("inrformat.families.siren.encoder.encoder"),
    options=module("inrformat.families.siren.encoder.options", "SirenOptions"),
    flags=module("inrformat.families.siren.flags"),
)
