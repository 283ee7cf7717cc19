"""The flags of ``inrformat convert`` that belong to the ``siren`` family."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from inrformat.encoding.flag_types import positive_int
from inrformat.errors import UsageError

if TYPE_CHECKING:
    from inrformat.families.siren.encoder.options import SirenOptions

__all__ = ["add_flags", "read_options"]


def add_flags(group: argparse._ArgumentGroup) -> list[argparse.Action]:
    """See ``encoding.encoder.FlagsModule``."""
    return [
        group.add_argument("--steps", type=positive_int, metavar="N", help="optimiser steps for each image"),
        group.add_argument(
            "--preset", metavar="NAME", help="paper-cifar (3x15), paper-224-small, paper-224, paper-224-large"
        ),
        group.add_argument("--hidden", metavar="LxW", help="hidden layers and their width, as in 10x28"),
        group.add_argument(
            "--bytes-per-image", type=positive_int, metavar="N", help="finest quantization that fits N bytes"
        ),
        group.add_argument(
            "--no-shared-base", action="store_true", help="no common network that images are differences to"
        ),
        group.add_argument(
            "--prune", choices=["auto", "none", "ratio", "dynamic"], help="default: auto, where it pays"
        ),
        group.add_argument("--prune-ratio", type=float, metavar="R", help="share of weights, with --prune ratio"),
        group.add_argument("--prune-drop", type=float, metavar="DB", help="quality budget, with --prune dynamic"),
    ]


def read_options(arguments: argparse.Namespace) -> SirenOptions:
    """See ``encoding.encoder.FlagsModule``; ``--psnr`` is that of each image.

    Raises:
        UsageError: an unknown preset, a malformed shape, or values out of range.
    """
    from inrformat.families.siren.encoder.options import PRESETS, Pruning, SirenOptions

    hidden = None
    if arguments.preset is not None:
        if arguments.preset not in PRESETS:
            raise UsageError(f"unknown preset {arguments.preset!r}: choose one of {', '.join(PRESETS)}")
        hidden = PRESETS[arguments.preset]
    if arguments.hidden is not None:
        layers, _, width = arguments.hidden.partition("x")
        if not (layers.isdigit() and width.isdigit()) or hidden is not None:
            raise UsageError(f"--hidden {arguments.hidden}: expected LAYERSxWIDTH, as in 10x28, and no --preset")
        hidden = (int(layers), int(width))
    chosen = {
        "steps": arguments.steps,
        "psnr_db": arguments.psnr,
        "bytes_per_image": arguments.bytes_per_image,
        "shared_base": False if arguments.no_shared_base else None,
        "pruning": None if arguments.prune is None else Pruning(arguments.prune),
        "prune_ratio": arguments.prune_ratio,
        "prune_drop_db": arguments.prune_drop,
    }
    given = {name: value for name, value in chosen.items() if value is not None}
    return SirenOptions(hidden=hidden, seed=arguments.seed, **given)
