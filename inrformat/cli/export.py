"""``inrformat export FILE DIR``"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from inrformat.cli.arguments import bar
from inrformat.encoding.flag_types import positive_int


def add_parser(commands: Any) -> None:
    """Register the command."""
    text = "Decode every image to PNG, under the class folders and names of the source."
    parser = commands.add_parser("export", help=".inrd file -> folder of PNGs", description=text)
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder to make; must not exist, or be empty")
    parser.add_argument("--size", type=positive_int, metavar="N", help="decode with a short side of N pixels")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export, then say how many images were written."""
    from inrformat.conversion.export import export
    from inrformat.data.dataset import InrdDataset

    dataset = InrdDataset(arguments.file, size=arguments.size)
    with bar(len(dataset), unit=" images", what="exporting", quiet=False) as progress:
        export(dataset, arguments.folder, on_images=progress.update)
    print(f"{arguments.folder}: {len(dataset)} images")
    return 0
