"""``inrformat warmup``"""

from __future__ import annotations

import argparse
import time
from typing import Any

from inrformat.cli.arguments import examples
from inrformat.families.registry import family_named, family_names

_EXAMPLES = examples(
    "inrformat warmup",
    "inrformat warmup --network NAME",
    "inrformat warmup && torchrun --nproc-per-node 8 train.py",
)


def add_parser(commands: Any) -> None:
    """Register the command."""
    text = (
        "Compile the CPU decoders ahead of their first use, for container images and machines with many processes. "
        "What is compiled is kept for this kind of processor alone, in __pycache__ beside the package's modules where "
        "these can be written, else in the user's cache folder; NUMBA_CACHE_DIR names another place, which must stay "
        "writable."
    )
    parser = commands.add_parser("warmup", help="compile the decoders ahead of time", description=text, **_EXAMPLES)
    parser.add_argument(
        "--network", nargs="+", choices=family_names(), metavar="NAME", help="families to compile for (default: all)"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compile what is not compiled yet, then say how long it took and where it is kept."""
    from inrformat.data.transforms.fused import cpu as drawing
    from inrformat.decoding.cpu.first_use import CACHE_FOLDER
    from inrformat.decoding.cpu.warm_up import warm_up

    begin = time.monotonic()
    loads = {name: family_named(name).cpu for name in arguments.network or family_names()}
    compiled = {name: load() for name, load in loads.items() if load is not None}
    for backend in compiled.values():
        warm_up(backend)
    drawing.warm_up()
    where = "nowhere: no folder can be written" if CACHE_FOLDER is None else f"in {CACHE_FOLDER} and others like it"
    print(f"decoders of {', '.join(compiled)}: ready after {time.monotonic() - begin:.1f} s, kept {where}")
    return 0
