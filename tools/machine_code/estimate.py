"""Instructions that a warp executes: those of the compiled kernel, each as often as its statement was.

Statements are counted in the interpreter (``tracing.py``). An instruction that the compiler has moved out of a loop is
executed as often as the code around it: no more than once outside of all loops, no more than its loop goes round.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from machine_code.classes import class_of
from machine_code.disassembly import Instruction
from machine_code.lines import Chain, Statement, static_loops
from machine_code.loops import Loop

__all__ = ["executed"]


def executed(
    instructions: Sequence[Instruction],
    loops: Iterable[Loop],
    chains: Mapping[int, Chain],
    *,
    statements: Mapping[Chain, int],
    programs: int,
) -> dict[str, float]:
    """Instructions per warp by class, mean of all programs.

    Args:
        loops, chains: of the compiled kernel. statements, programs: of one trace of it.
    """
    entered = {(chain[:-1], chain[-1].file) for chain in statements}
    counts = {
        item.address_bytes: _executions(chains.get(item.address_bytes, ()), statements, entered) / programs
        for item in instructions
    }
    most: dict[int, float] = {}
    for loop in loops:
        _bound(loop, counts, most)
    total: dict[str, float] = defaultdict(float)
    for item in instructions:
        total[str(class_of(item))] += min(counts[item.address_bytes], most.get(item.address_bytes, 1.0))
    return dict(total)


def _bound(loop: Loop, counts: Mapping[int, float], most: dict[int, float]) -> None:
    """Note how often a loop goes round for each of its own instructions: as often as the branch back is executed."""
    back = [counts[item.address_bytes] for item in loop.closing]
    rounds = max((count for count in back if math.isfinite(count)), default=1.0)
    for item in loop.own:
        most[item.address_bytes] = rounds
    for inner in loop.inner:
        _bound(inner, counts, most)


def _executions(chain: Chain, statements: Mapping[Chain, int], entered: set[tuple[Chain, str]]) -> float:
    """Of the statement, or of each of its copies in loops that the compiler writes out; infinite where it is unknown.

    A statement of a function that the interpreter does not enter counts as the statement that calls it.
    """
    while chain and chain not in statements:
        if (chain[:-1], chain[-1].file) in entered:
            return 0.0
        chain = chain[:-1]
    if not chain:
        return math.inf
    count = float(statements[chain])
    for depth, at in enumerate(chain):
        for head, first, last in static_loops(at.file):
            if first <= at.line <= last:
                bodies = statements.get((*chain[:depth], Statement(at.file, first)), 0)
                heads = statements.get((*chain[:depth], Statement(at.file, head)), 0)
                count *= max(heads - bodies, 1) / max(bodies, 1)
    return count
