"""Source lines: which statements machine instructions come from, through the functions that were inlined there."""

from __future__ import annotations

import ast
import re
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from machine_code.disassembly import TOOLS

__all__ = ["Chain", "Statement", "chains_of", "is_ours", "statement_at", "static_loops"]

_FILE = re.compile(r'^\s*//## File "(?P<file>[^"]+)", line (?P<line>\d+)')
_ADDRESS = re.compile(r"^\s+/\*(?P<address>[0-9a-f]+)\*/")


@dataclass(frozen=True, slots=True, order=True)
class Statement:
    """A statement, or the head of a compound one, by the line on which it begins."""

    file: str
    line: int


Chain = tuple[Statement, ...]
"""A statement of the kernel, then one of each function that was called from there, inwards."""


def is_ours(file: str) -> bool:
    """Whether it holds kernels or functions of theirs, and is not Triton's own."""
    return "/inrformat/" in file and "/triton/" in file


def chains_of(cubin: bytes) -> dict[int, Chain]:
    """For the address of each instruction of a kernel where it comes from."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        command = [str(TOOLS / "nvdisasm"), "-c", "-gi", str(file)]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found: dict[int, Chain] = {}
    frames: list[Statement] = []
    begins = True
    for line in listing.splitlines():
        named = _FILE.match(line)
        if named:
            frames = [] if begins else frames
            begins = False
            if is_ours(named["file"]):
                frames.insert(0, statement_at(named["file"], int(named["line"])))
        elif instruction := _ADDRESS.match(line):
            begins = True
            found[int(instruction["address"], 16)] = tuple(frames)
    return found


def statement_at(file: str, line: int) -> Statement:
    """The innermost statement that has a line."""
    return Statement(file, _beginnings(file).get(line, line))


@cache
def _beginnings(file: str) -> dict[int, int]:
    """For each line of a file where its innermost statement begins."""
    found: dict[int, int] = {}
    for node in ast.walk(_parsed(file)):  # outer ones come first
        if isinstance(node, ast.stmt):
            found |= dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), node.lineno)
    return found


@cache
def _parsed(file: str) -> ast.Module:
    return ast.parse(Path(file).read_text())


@cache
def static_loops(file: str) -> tuple[tuple[int, int, int], ...]:
    """Loops that the compiler writes out: the line of the head, the first and the last of the body."""
    loops = [node for node in ast.walk(_parsed(file)) if isinstance(node, ast.For)]
    return tuple(
        (loop.lineno, loop.body[0].lineno, loop.end_lineno or loop.lineno)
        for loop in loops
        if "static_range" in ast.unparse(loop.iter)
    )
