"""Compile the Triton decoder ahead of time, without a GPU, and say what each kernel takes and what it executes.

python tools/kernel_report.py [sm ...] [--only TEXT] [--loops] [--json]      sm: 80, 90 (both where none is given)

Kernels are those that the families' Triton backends list. For each: registers, spills, shared memory, how many of its
warps fit a multiprocessor, and its machine instructions by class (``machine_code/classes.py``), in all and by loop.
Those are a warp's, a loop's are of one round, without the loops within it. The compiler decides about all of this:
compare reports of one version, which the report names.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.pop("TRITON_INTERPRET", None)  # interpreted functions cannot be compiled

import triton
from machine_code.classes import counted
from machine_code.disassembly import TOOLS, instructions_of
from machine_code.loops import Loop, loops_of
from machine_code.occupancy import Occupancy, occupancy
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from inrformat.decoding.availability import OLDEST_TRITON, triton_version
from inrformat.decoding.triton import bodies, taps
from inrformat.decoding.triton.ahead_of_time import KernelVariant
from inrformat.families.registry import family_named, family_names

ARCHITECTURES = (80, 90)


@dataclass(frozen=True, slots=True)
class LoopCount:
    """A loop's machine instructions per warp and round.

    Attributes:
        begin_bytes: its address in the kernel. instructions, classes: its own, without those of the loops ``inner``.
    """

    begin_bytes: int
    instructions: int
    classes: dict[str, int]
    inner: tuple[LoopCount, ...]

    @classmethod
    def of(cls, loop: Loop) -> LoopCount:
        """Count a loop and those in it."""
        inner = tuple(map(cls.of, loop.inner))
        return cls(loop.begin_bytes, len(loop.own), counted(loop.own), inner)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a program of a kernel takes: warps, registers per thread, bytes spilled per thread, bytes shared.

    Attributes:
        occupancy: how many of its programs and warps a multiprocessor holds. function: of the kernel, as profilers say.
        instructions, classes: all of its machine instructions. loops: the outermost ones.
    """

    kernel: str
    function: str
    sm: int
    warps: int
    registers: int
    spilled_bytes: int
    shared_bytes: int
    occupancy: Occupancy
    instructions: int
    classes: dict[str, int]
    loops: tuple[LoopCount, ...]


@dataclass(frozen=True, slots=True)
class Assembled:
    """What ``ptxas -v`` says, and the last line of ``ptxas --version``."""

    log: str
    version: str


def all_kernels() -> Iterator[KernelVariant]:
    """What families share, and those of every family that has kernels."""
    yield from bodies.kernels()
    yield from taps.kernels()
    for name in family_names():
        load = family_named(name).triton
        if load is not None:
            yield from load().kernels()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A kernel, its machine code and the version of the assembler."""

    taken: Taken
    cubin: bytes
    assembler: str


def compiled(variant: KernelVariant, sm: int) -> Compiled:
    """Compile one kernel for bf16 output and three channels."""
    kernel, signature = variant.kernel, variant.signature()
    divisible = variant.divisible()
    attributes = {(number,): [["tt.divisibility", 16]] for number, name in enumerate(signature) if name in divisible}
    constants = {(kernel.arg_names.index(name),): value for name, value in variant.constants.items()}
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants, attrs=attributes)
    built = triton.compile(source, target=GPUTarget("cuda", sm, 32), options=dict(variant.options))
    assembler = assembled(built.asm["ptx"])
    registers = re.search(r"Used (\d+) registers", assembler.log)
    spills = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", assembler.log)
    if registers is None:
        raise SystemExit(f"ptxas said nothing of registers:\n{assembler.log}")
    warps, shared_bytes = variant.options["num_warps"], built.metadata.shared
    instructions = instructions_of(built.asm["cubin"])
    taken = Taken(
        kernel=variant.name,
        function=built.metadata.name,
        sm=sm,
        warps=warps,
        registers=int(registers.group(1)),
        spilled_bytes=sum(int(n) for pair in spills for n in pair),
        shared_bytes=shared_bytes,
        occupancy=occupancy(sm, warps=warps, registers=int(registers.group(1)), shared_bytes=shared_bytes),
        instructions=len(instructions),
        classes=counted(instructions),
        loops=tuple(map(LoopCount.of, loops_of(instructions))),
    )
    return Compiled(taken=taken, cubin=built.asm["cubin"], assembler=assembler.version)


def assembled(ptx: str) -> Assembled:
    """By the first ``ptxas`` that can: Triton carries more than one, and each knows PTX up to some version."""
    target = re.search(r"\.target (\w+)", ptx)
    assert target is not None
    log = ""
    for tool in sorted(TOOLS.glob("ptxas*")):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "kernel.ptx"
            source.write_text(ptx)
            command = [tool, "-v", f"--gpu-name={target.group(1)}", source, "-o", source.with_suffix(".o")]
            # The flag is Triton's own, where it knows it: without it other kernels spill than those that run.
            for flags in (["--regAllocOptLevel=2"], []):
                done = subprocess.run([*map(str, command), *flags], capture_output=True, text=True, check=False)
                log += done.stderr
                if done.returncode == 0:
                    version = subprocess.run([str(tool), "--version"], capture_output=True, text=True, check=True)
                    return Assembled(done.stderr, version.stdout.strip().splitlines()[-1])
    return Assembled(log, "")


def told(taken: Taken, *, loops: bool) -> Iterator[str]:
    """Lines about a kernel."""
    held = taken.occupancy
    yield (
        f"sm_{taken.sm} {taken.kernel:26} {taken.warps} warps, {taken.registers} registers, "
        f"{taken.spilled_bytes} bytes spilled, {taken.shared_bytes} shared, "
        f"{held.warps} warps a multiprocessor (by {held.limit}), {taken.instructions} instructions"
    )
    if loops:
        yield f"      {classes_told(taken.classes)}"
        yield from loops_told(taken.loops, depth=1)


def loops_told(loops: Iterable[LoopCount], *, depth: int) -> Iterator[str]:
    """A line a loop, inner ones further to the right."""
    for loop in loops:
        indent = "    " * depth
        yield f"  {indent}loop at {loop.begin_bytes:#06x}: {loop.instructions}: {classes_told(loop.classes)}"
        yield from loops_told(loop.inner, depth=depth + 1)


def classes_told(classes: dict[str, int]) -> str:
    """Most frequent first."""
    return ", ".join(f"{count} {name}" for name, count in classes.items())


def reported(architectures: Iterable[int], *, only: str = "") -> dict[str, Any]:
    """Of the kernels whose name has ``only`` in it, compiled for each compute capability."""
    found = [compiled(variant, sm) for sm in architectures for variant in all_kernels() if only in variant.name]
    return {
        "triton": triton.__version__,
        "ptxas": sorted({kernel.assembler for kernel in found}),
        "kernels": [kernel.taken for kernel in found],
    }


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sm", nargs="*", type=int, default=[])
    parser.add_argument("--only", default="", help="kernels whose name has this in it")
    parser.add_argument("--loops", action="store_true", help="instructions by class, in all and by loop")
    parser.add_argument("--json", action="store_true", help="everything, loops included")
    arguments = parser.parse_args()
    if triton_version() < OLDEST_TRITON:
        oldest = ".".join(map(str, OLDEST_TRITON))
        raise SystemExit(f"the kernels need Triton {oldest} or newer, this is {triton.__version__}")
    report = reported(arguments.sm or ARCHITECTURES, only=arguments.only)
    if arguments.json:
        print(json.dumps(report | {"kernels": [asdict(taken) for taken in report["kernels"]]}))
        return
    print(f"Triton {report['triton']}, ptxas {', '.join(report['ptxas'])}")
    for taken in report["kernels"]:
        print("\n".join(told(taken, loops=arguments.loops)))


if __name__ == "__main__":
    main()
