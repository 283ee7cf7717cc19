"""Compile the Triton decoder ahead of time, without a GPU, and say what each kernel takes: registers, spills, shared.

python tools/kernel_report.py [sm ...] [--only TEXT] [--json]      sm: 80, 90 (both where none is given)
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from inrformat.decode.triton.launch import PRECISIONS
from inrformat.families.cells.triton import aligned as cells_aligned, general as cells_general, read as read_cells
from inrformat.families.siren.triton import read as read_siren, siren

ARGUMENTS = {
    "words": "*i16", "offsets": "*i64", "lengths": "*i64", "shapes": "*i64", "rows": "*i64", "entries": "*i64",
    "heads": "*i32", "integers": "*i32", "floats": "*fp32", "units": "*i32", "area": "*i16", "work": "*i32",
    "means": "*fp32", "dc": "*fp32", "cover": "*i32", "steps": "*fp32", "status": "*i32", "parameters": "*fp32",
    "packed": "*fp32", "style": "*fp32", "taps": "*fp32", "displacement": "*fp32", "out": "*bf16", "point_span": "fp32",
}  # fmt: skip
PICTURE = {"C": 3, "CP": 4, "BYTES": False}
ALIGNED = {**PICTURE, "PADDING_MODE": 0}
GENERAL = {**PICTURE, "PADDING_MODE": 1, "DISPLACED": True}
CELLS = {**ALIGNED, "SIZE": cells_aligned.TILE}
TILES = {"TILE_H": cells_general.TILE_HEIGHT, "TILE_W": cells_general.TILE_WIDTH}
READ = {"C": 3, "CHUNK": read_cells.CHUNK, "NODE_BITS": 11}
FAST, EXACT = ({"PRECISION": product, "HALF": half} for product, half in (PRECISIONS["fast"], PRECISIONS["float32"]))
Kernel = tuple[Any, dict[str, Any], dict[str, Any]]
"""Kernel, constants and options."""


def kernels() -> dict[str, Kernel]:
    """All kernels as ``launch.py`` compiles them, by name."""
    found: dict[str, Kernel] = {
        "read cells": (read_cells.read_cells_kernel, READ, read_cells.OPTIONS),
        "read siren": (read_siren.read_siren_kernel, {"CHUNK": read_cells.CHUNK}, read_cells.OPTIONS),
        "cells general": (cells_general.cells_general_kernel, {**GENERAL, **TILES}, cells_general.OPTIONS),
    }
    for speed, products in (("fast", FAST), ("exact", EXACT)):
        for name, shrinks in (("points", False), ("shrinking", True)):
            constants = {**CELLS, "FILTER": shrinks, "PRECISION": products["PRECISION"]}
            options = cells_aligned.options(shrinks=shrinks, precision=products["PRECISION"])
            found[f"cells {name} {speed}"] = (cells_aligned.cells_aligned_kernel, constants, options)
        for pad in (32, 64) if speed == "fast" else (32,):
            network = {"PAD": pad, **products}
            for name, shape, aligned in (("points", ALIGNED, True), ("general", GENERAL, False)):
                constants = {"DISPLACED": False, **shape, **network, "ALIGNED": aligned}
                found[f"siren {pad} {name} {speed}"] = split(
                    siren.siren_points_kernel, constants | siren.tiling(pad, aligned=aligned, half=products["HALF"])
                )
            constants = {**ALIGNED, **network, **siren.shrinking(pad)}
            found[f"siren {pad} shrinking {speed}"] = split(siren.siren_shrinking_kernel, constants)
    return found


def split(kernel: Any, constants: dict[str, Any]) -> Kernel:
    """With what is an option of the compiler taken out of the constants."""
    options = {n: constants[n] for n in ("num_warps", "maxnreg") if n in constants}
    return kernel, {n: v for n, v in constants.items() if n not in options}, options


KERNELS = kernels()


@dataclass(frozen=True, slots=True)
class Taken:
    kernel: str
    sm: int
    warps: int
    registers: int
    spilled_bytes: int
    shared_bytes: int


def compiled(name: str, sm: int) -> Taken:
    """Compile one kernel for bf16 output and three channels, with the alignments that decoding has."""
    kernel, constants, options = KERNELS[name]
    signature = {n: "constexpr" if n in constants else ARGUMENTS.get(n, "i32") for n in kernel.arg_names}
    aligned = {"plane", "plane_width", "plane_size", "area_size"}
    attributes = {
        (i,): [["tt.divisibility", 16]]
        for i, n in enumerate(kernel.arg_names)
        if "*" in ARGUMENTS.get(n, "") or n in aligned
    }
    values = {(kernel.arg_names.index(n),): v for n, v in constants.items()}
    source = ASTSource(fn=kernel, signature=signature, constexprs=values, attrs=attributes)
    built = triton.compile(source, target=GPUTarget("cuda", sm, 32), options=dict(options))
    log = assembled(built.asm["ptx"])
    registers = re.search(r"Used (\d+) registers", log)
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", log)
    if registers is None:
        raise SystemExit(f"ptxas said nothing of registers:\n{log}")
    spilled = sum(int(n) for pair in spills for n in pair)
    return Taken(name, sm, options["num_warps"], int(registers.group(1)), spilled, built.metadata.shared)


def assembled(ptx: str) -> str:
    """What ``ptxas -v`` says; Triton carries more than one, and each knows PTX up to some version."""
    target = re.search(r"\.target (\w+)", ptx)
    assert target is not None
    log = ""
    for tool in sorted((Path(triton.__file__).parent / "backends/nvidia/bin").glob("ptxas*")):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "kernel.ptx"
            source.write_text(ptx)
            command = [tool, "-v", f"--gpu-name={target.group(1)}", source, "-o", source.with_suffix(".o")]
            # The flag is Triton's own, where it knows it: without it other kernels spill than those that run.
            for flags in (["--regAllocOptLevel=2"], []):
                done = subprocess.run([*map(str, command), *flags], capture_output=True, text=True, check=False)
                log += done.stderr
                if done.returncode == 0:
                    return done.stderr
    return log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sm", nargs="*", type=int, default=[])
    parser.add_argument("--only", default="", help="kernels whose name has this in it")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    taken = [compiled(n, sm) for sm in arguments.sm or (80, 90) for n in KERNELS if arguments.only in n]
    if arguments.json:
        print(json.dumps([asdict(t) for t in taken]))
        return
    for t in taken:
        print(
            f"sm_{t.sm} {t.kernel:20} {t.warps} warps, {t.registers} registers, {t.spilled_bytes} bytes spilled, "
            f"{t.shared_bytes} shared"
        )


if __name__ == "__main__":
    main()
