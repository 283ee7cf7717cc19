"""``inrformat merge FILE... OUT``"""

from __future__ import annotations

import argparse
from typing import Any

from inrformat.cli.arguments import add_json, bar, examples, file_or_url, local_path, print_json

_EXAMPLES = examples(
    "inrformat merge shards/*.inrd train.inrd",
    "inrformat merge --prefix summer.inrd winter.inrd all.inrd",
    "inrformat merge --columns common a.inrd b.inrd both.inrd",
)


def add_parser(commands: Any) -> None:
    """Register the command."""
    text = "Write one file of the records of several, as they are; networks they share are stored once, classes united."
    parser = commands.add_parser("merge", help="several files -> one", description=text, **_EXAMPLES)
    parser.add_argument("files", metavar="FILE", type=file_or_url, nargs="+")
    parser.add_argument("output", metavar="OUT.inrd", type=local_path, help="file to write; must not exist")
    parser.add_argument(
        "--columns",
        choices=["equal", "common"],
        default="equal",
        help="where columns differ: refuse, or leave them out",
    )
    parser.add_argument("--prefix", action="store_true", help="put a file's name before the names of its images")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Merge, then say how many images there are."""
    from inrformat.files.merging import merge

    with bar(0, unit=" images", what="copying", quiet=arguments.json) as progress:
        count = merge(
            arguments.files,
            arguments.output,
            common_columns=arguments.columns == "common",
            prefixed=arguments.prefix,
            on_records=progress.update,
        )
    if arguments.json:
        print_json({"output": str(arguments.output), "samples": count, "files": len(arguments.files)})
    else:
        print(f"{arguments.output}: {count} images of {len(arguments.files)} files")
    return 0
