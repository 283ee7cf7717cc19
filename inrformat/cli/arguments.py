"""What several commands share: ``--json``, JSON output, and the progress bar."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from tqdm import tqdm

from inrformat.storage.opening import is_url

__all__ = ["add_json", "bar", "examples", "file_or_url", "local_path", "print_json", "write_report"]


_EXAMPLES = "examples:"


class _HelpFormatter(argparse.HelpFormatter):
    """Fills paragraphs, and leaves lists of examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if text.startswith(_EXAMPLES) else super()._fill_text(text, width, indent)


def examples(*commands: str) -> dict[str, Any]:
    """What makes ``--help`` end with these commands."""
    lines = "\n".join(f"  {command}" for command in commands)
    return {"epilog": f"{_EXAMPLES}\n{lines}", "formatter_class": _HelpFormatter}


def local_path(text: str) -> Path:
    """A path of this machine, ``~`` replaced by the home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # of a user that is not known
        raise argparse.ArgumentTypeError(f"{text}: {error}") from error


def file_or_url(text: str) -> str:
    """The same, or a URL as it is."""
    return text if is_url(text) else str(local_path(text))


def add_json(parser: argparse.ArgumentParser) -> None:
    """Give a command ``--json``."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def print_json(values: dict[str, Any]) -> None:
    """One JSON object on standard output, keys in the order given."""
    print(json.dumps(values, ensure_ascii=False, indent=2))


def write_report(path: Path, values: dict[str, Any]) -> None:
    """The same in a file, which another run's is replaced by."""
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def bar(total: float, *, unit: str, what: str, quiet: bool) -> tqdm[Any]:
    """A progress bar with rate and ETA that appears after a second, and only on a terminal."""
    return tqdm(
        total=total,
        unit=unit,
        desc=what,
        delay=1,
        disable=quiet or not sys.stderr.isatty(),
        unit_scale=unit == "B",
        leave=False,
        bar_format="{l_bar}{bar}| {n:.0f}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]" if unit != "B" else None,
    )
