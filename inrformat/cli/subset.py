"""``inrformat subset FILE OUT``"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from inrformat.cli.arguments import add_json, examples, file_or_url, local_path, print_json
from inrformat.encoding.flag_types import nonnegative_int, positive_int
from inrformat.errors import UsageError

_EXAMPLES = examples(
    "inrformat subset train.inrd cats.inrd --classes cat,kitten",
    "inrformat subset train.inrd tenth.inrd --indices ::10",
    "inrformat subset train.inrd good.inrd --min-psnr 35 --sample 1000",
)


def add_parser(commands: Any) -> None:
    """Register the command."""
    text = "Write a file of some records of another, as they are: those that all the conditions given hold for."
    parser = commands.add_parser("subset", help="some images of a file", description=text, **_EXAMPLES)
    parser.add_argument("file", metavar="FILE", type=file_or_url)
    parser.add_argument("output", metavar="OUT.inrd", type=local_path, help="file to write; must not exist")
    parser.add_argument("--classes", metavar="NAME,...", help="images of these classes")
    parser.add_argument("--names", metavar="FILE", type=local_path, help="images named in a text file, one per line")
    parser.add_argument("--indices", metavar="A:B:STEP", help="numbers, 3,7,11 or as Python slices them, 0:100:2")
    parser.add_argument("--min-psnr", type=float, metavar="DB", help="images of at least this PSNR")
    parser.add_argument("--sample", type=positive_int, metavar="N", help="N of the rest, drawn at random")
    parser.add_argument("--seed", type=nonnegative_int, default=0, metavar="S", help="of the drawing (default: 0)")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Copy, then say how many images there are."""
    from inrformat.files.choosing import Choice, subset

    choice = Choice(
        classes=arguments.classes.split(",") if arguments.classes else None,
        names=_lines(arguments.names) if arguments.names else None,
        numbers=_numbers(arguments.indices) if arguments.indices else None,
        min_psnr_db=arguments.min_psnr,
        sample=arguments.sample,
        seed=arguments.seed,
    )
    rows = subset(arguments.file, arguments.output, choice)
    if arguments.json:
        print_json({"output": str(arguments.output), "samples": len(rows), "rows": rows.tolist()})
    else:
        print(f"{arguments.output}: {len(rows)} images")
    return 0


def _lines(file: Path) -> list[str]:
    try:
        return [line for line in file.read_text(encoding="utf-8").splitlines() if line]
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: expected UTF-8 text, one name per line") from error


def _numbers(text: str) -> list[int] | slice:
    try:
        if ":" in text:
            return slice(*(int(part) if part else None for part in text.split(":")))
        return [int(part) for part in text.split(",")]
    except (TypeError, ValueError) as error:
        raise UsageError(f"--indices {text}: expected numbers as in 3,7,11 or a slice as in 0:100:2") from error
