"""Types of command-line arguments that encoders' flags and the commands share."""

from __future__ import annotations

import argparse
import re

__all__ = ["AUTO", "byte_count", "nonnegative_int", "positive_int", "quality_or_auto"]

AUTO = "auto"
"""Asks for what suits the images."""

_BYTE_UNITS = {
    "": 1,
    "b": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}


def positive_int(text: str) -> int:
    """An argument that must be a whole number of at least 1."""
    return _whole_number(text, least=1)


def nonnegative_int(text: str) -> int:
    """An argument that must be a whole number of at least 0, such as a seed."""
    return _whole_number(text, least=0)


def _whole_number(text: str, *, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {least}, got {text!r}")
    return value


def byte_count(text: str) -> int:
    """An argument such as 500000, 200kB, 1.5MB, 14G or 64MiB, as bytes; without an i units are powers of 1000."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = None if match is None else _BYTE_UNITS.get(match[2].lower())
    if match is None or unit is None or float(match[1]) * unit < 1:
        raise argparse.ArgumentTypeError(f"expected a size such as 500MB, 14GB or 64MiB, got {text!r}")
    return int(float(match[1]) * unit)


def quality_or_auto(text: str) -> float | str:
    """A quality, or ``auto``."""
    if text == AUTO:
        return text
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number or {AUTO}, got {text!r}") from None
