"""The flags of ``inrformat convert`` that belong to the ``cells`` family."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from inrformat.encoding.flag_types import byte_count, quality_or_auto
from inrformat.errors import UsageError

if TYPE_CHECKING:
    from inrformat.families.cells.encoder.options import CellsOptions

__all__ = ["add_flags", "read_options"]


def add_flags(group: argparse._ArgumentGroup) -> list[argparse.Action]:
    """See ``encoding.encoder.FlagsModule``."""
    return [
        group.add_argument(
            "--quality",
            type=quality_or_auto,
            metavar="Q",
            help="0 to 100; the step halves every 10 (70). auto: as near to the images as these are to what they show",
        ),
        group.add_argument("--psnr-per-image", type=float, metavar="DB", help="PSNR that each image reaches"),
        group.add_argument(
            "--target-size", type=byte_count, metavar="SIZE", help="of the whole file, at most: 500MB, 14G, 64MiB"
        ),
        group.add_argument(
            "--codebook", metavar="FILE.inrd", help="use that file's codebook, or a `builtin` one; learn none"
        ),
    ]


def read_options(arguments: argparse.Namespace) -> CellsOptions:
    """See ``encoding.encoder.FlagsModule``; ``--psnr`` is the mean over the set."""
    from inrformat.families.cells.encoder.options import CellsOptions

    targets = {
        "--quality": arguments.quality,
        "--psnr": arguments.psnr,
        "--psnr-per-image": arguments.psnr_per_image,
        "--target-size": arguments.target_size,
    }
    given = [flag for flag, value in targets.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)}: choose one of {', '.join(targets)}")
    return CellsOptions(
        quality=arguments.quality,
        psnr_db=arguments.psnr,
        psnr_floor_db=arguments.psnr_per_image,
        target_bytes=arguments.target_size,
        codebook=arguments.codebook,
    )
