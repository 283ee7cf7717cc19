"""Argument types and the progress bar that several commands share."""

from __future__ import annotations

import argparse
import json
import re
import sys
from typing import Any

from tqdm import tqdm

__all__ = ["OUTCOMES", "add_json", "bar", "byte_count", "positive_int", "print_json"]

OUTCOMES = {0: "as asked", 1: "target missed", 2: "fit diverged"}
"""Words for ``inrformat.encode.record.Outcome``, whose numbers files hold."""


def positive_int(text: str) -> int:
    """An argument that must be a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


_BYTE_UNITS = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip


def byte_count(text: str) -> int:
    """An argument such as 500000, 200kB, 1.5MB, 14GB or 64MiB, as bytes."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    unit = None if match is None else _BYTE_UNITS.get(match[2].lower())
    if match is None or unit is None or float(match[1]) * unit < 1:
        raise argparse.ArgumentTypeError(f"expected a size such as 500MB, 14GB or 64MiB, got {text!r}")
    return int(float(match[1]) * unit)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def print_json(values: dict[str, Any]) -> None:
    """One JSON object on standard output, keys in the order given."""
    print(json.dumps(values, ensure_ascii=False, indent=2))


def bar(total: float, *, unit: str, what: str, quiet: bool) -> tqdm[Any]:
    """A progress bar with rate and ETA that appears after a second, and only on a terminal."""
    return tqdm(
        total=total, unit=unit, desc=what, delay=1, disable=quiet or not sys.stderr.isatty(), unit_scale=unit == "B",
        leave=False, bar_format="{l_bar}{bar}| {n:.0f}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]"
        if unit != "B" else None,
    )  # fmt: skip
