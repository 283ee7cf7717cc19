"""The flags of ``inrformat convert`` that belong to the cells family."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from inrformat.cli.arguments import byte_count

if TYPE_CHECKING:
    from inrformat.families.cells.encoder.encoder import CellsOptions
    from inrformat.families.codebook import Codebook

__all__ = ["BUILTIN", "add_cells_flags", "cells_options", "read_codebook"]

BUILTIN = Path("builtin")
"""What ``--codebook`` says instead of a file's name."""


def add_cells_flags(parser: argparse.ArgumentParser) -> None:
    """Add them as a group of their own."""
    group = parser.add_argument_group("cells")
    group.add_argument("--quality", type=float, metavar="Q", help="0 to 100; the step halves every 10 (default: 70)")
    group.add_argument("--psnr-per-image", type=float, metavar="DB", help="PSNR that each image reaches")
    group.add_argument("--target-size", type=byte_count, metavar="SIZE", help="of the whole file: 500MB, 14GB, 64MiB")
    group.add_argument(
        "--codebook", type=Path, metavar="FILE.inrd", help="use that file's codebook, or a `builtin` one; learn none"
    )


def cells_options(arguments: argparse.Namespace) -> CellsOptions:
    """The encoder's options from parsed flags.

    Raises:
        UsageError: more than one aim, or values out of range.
    """
    from inrformat.families.cells.encoder.encoder import CellsOptions

    chosen = {
        "quality": arguments.quality,
        "psnr_db": arguments.psnr,
        "psnr_floor_db": arguments.psnr_per_image,
        "target_bytes": arguments.target_size,
    }
    return CellsOptions(**{name: value for name, value in chosen.items() if value is not None})


def read_codebook(path: Path | None) -> Codebook | None:
    """The codebook of another file; None where there is none, or a built-in one is meant.

    Raises:
        UsageError: the file's networks are not of the cells family.
    """
    from inrformat.container.reader import InrdReader
    from inrformat.errors import UsageError
    from inrformat.families.cells.descriptor import Cells
    from inrformat.families.codebook import Codebook

    if path is None or path == BUILTIN:
        return None
    with InrdReader(path) as reader:
        codebook = Codebook.from_map(reader.codebook, limits=reader.limits)
    if not codebook.networks or not isinstance(codebook.networks[0], Cells):
        raise UsageError(f"--codebook {path}: not a file of cells")
    return codebook
