"""The network families by name. Their packages are loaded when a family is first asked for."""

from __future__ import annotations

from importlib import import_module

from inrformat.container.rules import RULES, Rule
from inrformat.errors import UnsupportedVersionError, UsageError
from inrformat.families.family import Family, Network

__all__ = ["DEFAULT_FAMILY", "all_rules", "family_named", "family_names", "family_of", "register"]

_PACKAGES = {"cells": "inrformat.families.cells", "siren": "inrformat.families.siren"}
DEFAULT_FAMILY = "cells"
"""The family of a conversion that asks for none."""
_loaded: dict[str, Family] = {}


def register(family: Family) -> None:
    """Add a family from outside the package.

    Raises:
        UsageError: another family has that name.
    """
    if family.name in family_names() and _loaded.get(family.name) is not family:
        raise UsageError(f"there is a network family {family.name!r} already")
    _loaded[family.name] = family


def family_names() -> tuple[str, ...]:
    """Names of all families, sorted."""
    return tuple(sorted({*_PACKAGES, *_loaded}))


def family_named(name: str) -> Family:
    """The family of that name.

    Raises:
        UnsupportedVersionError: this reader does not know it.
    """
    if name not in _loaded:
        if name not in _PACKAGES:
            raise UnsupportedVersionError(f"network family {name!r} is not known to this reader; upgrade inrformat")
        _loaded[name] = import_module(_PACKAGES[name]).FAMILY
    return _loaded[name]


def family_of(network: Network) -> Family:
    """The family that a descriptor belongs to."""
    return family_named(network.family)


def all_rules() -> dict[str, Rule]:
    """Every rule by its name: the container's and those of all families."""
    return RULES | {rule.name: rule for name in family_names() for rule in family_named(name).rules}
