"""Compile the Triton decoder ahead of time, without a GPU, and say what each kernel takes: registers, spills, shared.

python tools/kernel_report.py [sm ...] [--only TEXT] [--json]      sm: 80, 90 (both where none is given)

Kernels are those that the families' Triton backends list. What a kernel takes is the compiler's affair and changes with
its version, which the report names: compare reports of one version.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.pop("TRITON_INTERPRET", None)  # interpreted functions cannot be compiled

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from inrformat.decoding.availability import OLDEST_TRITON, triton_version
from inrformat.decoding.triton.ahead_of_time import KernelVariant
from inrformat.families.registry import family_named, family_names

ARCHITECTURES = (80, 90)


@dataclass(frozen=True, slots=True)
class Taken:
    """What a program of a kernel takes: warps, registers per thread, bytes spilled per thread, bytes shared."""

    kernel: str
    sm: int
    warps: int
    registers: int
    spilled_bytes: int
    shared_bytes: int


@dataclass(frozen=True, slots=True)
class Assembled:
    """What ``ptxas -v`` says, and the last line of ``ptxas --version``."""

    log: str
    version: str


def all_kernels() -> Iterator[KernelVariant]:
    """Those of every family that has kernels."""
    for name in family_names():
        load = family_named(name).triton
        if load is not None:
            yield from load().kernels()


def compiled(variant: KernelVariant, sm: int) -> tuple[Taken, str]:
    """Compile one kernel for bf16 output and three channels; returns the assembler's version as well."""
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
    taken = Taken(
        kernel=variant.name,
        sm=sm,
        warps=variant.options["num_warps"],
        registers=int(registers.group(1)),
        spilled_bytes=sum(int(n) for pair in spills for n in pair),
        shared_bytes=built.metadata.shared,
    )
    return taken, assembler.version


def assembled(ptx: str) -> Assembled:
    """By the first ``ptxas`` that can: Triton carries more than one, and each knows PTX up to some version."""
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
                    version = subprocess.run([str(tool), "--version"], capture_output=True, text=True, check=True)
                    return Assembled(done.stderr, version.stdout.strip().splitlines()[-1])
    return Assembled(log, "")


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sm", nargs="*", type=int, default=[])
    parser.add_argument("--only", default="", help="kernels whose name has this in it")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if triton_version() < OLDEST_TRITON:
        oldest = ".".join(map(str, OLDEST_TRITON))
        raise SystemExit(f"the kernels need Triton {oldest} or newer, this is {triton.__version__}")
    found = [
        compiled(variant, sm)
        for sm in arguments.sm or ARCHITECTURES
        for variant in all_kernels()
        if arguments.only in variant.name
    ]
    report = {
        "triton": triton.__version__,
        "ptxas": sorted({version for _, version in found}),
        "kernels": [asdict(taken) for taken, _ in found],
    }
    if arguments.json:
        print(json.dumps(report))
        return
    print(f"Triton {report['triton']}, ptxas {', '.join(report['ptxas'])}")
    for taken, _ in found:
        print(
            f"sm_{taken.sm} {taken.kernel:26} {taken.warps} warps, {taken.registers} registers, "
            f"{taken.spilled_bytes} bytes spilled, {taken.shared_bytes} shared"
        )


if __name__ == "__main__":
    main()
