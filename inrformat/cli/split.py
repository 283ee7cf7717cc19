"""``inrformat split FILE DIR``"""

from __future__ import annotations

import argparse
from typing import Any

from inrformat.cli.arguments import add_json, examples, file_or_url, local_path, print_json
from inrformat.encoding.flag_types import nonnegative_int, positive_int
from inrformat.errors import UsageError

_EXAMPLES = examples(
    "inrformat split all.inrd parts --fractions train=0.8,val=0.2 --stratify --seed 0",
    "inrformat split train.inrd shards --parts 8",
    "inrformat split all.inrd folds --parts 5 --stratify --seed 1 --json",
)


def add_parser(commands: Any) -> None:
    """Register the command."""
    text = "Cut a file into several in a folder; records stay as they are, and every image is in one part at most."
    parser = commands.add_parser("split", help="one file -> several", description=text, **_EXAMPLES)
    parser.add_argument("file", metavar="FILE", type=file_or_url)
    parser.add_argument("folder", metavar="DIR", type=local_path, help="where the parts are written, as NAME.inrd")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--parts", type=positive_int, metavar="N", help="N equal parts")
    how.add_argument("--fractions", metavar="NAME=SHARE,...", help="parts of these shares of the images")
    parser.add_argument("--stratify", action="store_true", help="give every part those shares of each class")
    parser.add_argument("--seed", type=nonnegative_int, metavar="S", help="deal them at random (default: as they lie)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Cut, then say how large the parts are."""
    from inrformat.files.choosing import split

    shares = _equal(arguments.parts) if arguments.parts else _shares(arguments.fractions)
    parts = split(arguments.file, arguments.folder, shares=shares, stratified=arguments.stratify, seed=arguments.seed)
    if arguments.json:
        print_json({"folder": str(arguments.folder), "parts": {name: rows.tolist() for name, rows in parts.items()}})
    else:
        for name, rows in parts.items():
            print(f"{arguments.folder / name}.inrd: {len(rows)} images")
    return 0


def _equal(parts: int) -> dict[str, float]:
    digits = len(str(parts - 1))
    return {f"part-{number:0{digits}}": 1 / parts for number in range(parts)}


def _shares(text: str) -> dict[str, float]:
    try:
        pairs = [part.split("=") for part in text.split(",")]
        shares = {name: float(share) for name, share in pairs}
    except ValueError as error:
        raise UsageError(f"--fractions {text}: expected NAME=SHARE,... as in train=0.8,val=0.2") from error
    if len(shares) < len(pairs):
        raise UsageError(f"--fractions {text}: two parts of the same name")
    return shares
