"""Loops of a kernel: what is executed again and again, found as natural loops of its flow graph.

A loop's instructions need not lie together: compilers move rare parts behind the kernel's end. Hence the graph: an edge
to an instruction through which every path to the edge's own origin goes closes a loop (Aho, Lam, Sethi, Ullman:
Compilers, section 9.6). Called functions are not counted in a loop that calls them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from machine_code.disassembly import Instruction

__all__ = ["Loop", "loops_of"]

_ADDRESS = re.compile(r"0x[0-9a-f]+")
_ENDS = {"EXIT", "RET", "KILL"}
_JUMPS = {"BRA", "JMP", "CALL"}


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop.

    Attributes:
        own: its instructions outside the loops within it. inner: those loops, by where they begin.
        closing: the branches back to its beginning.
    """

    own: tuple[Instruction, ...]
    inner: tuple[Loop, ...]
    closing: tuple[Instruction, ...]

    @property
    def begin_bytes(self) -> int:
        """Its lowest address."""
        return min(item.address_bytes for item in self.all())

    def all(self) -> list[Instruction]:
        """Its instructions, those of inner loops included."""
        return [*self.own, *(item for loop in self.inner for item in loop.all())]


def loops_of(instructions: Sequence[Instruction]) -> tuple[Loop, ...]:
    """The outermost loops of a kernel, by where they begin."""
    flow = _flow(instructions)
    bodies: dict[int, set[int]] = defaultdict(set)
    origins: dict[int, list[int]] = defaultdict(list)
    for origin, head in _closing_edges(flow):
        bodies[head] |= _body(flow, origin, head)
        origins[head].append(origin)
    return _nested(bodies, origins, instructions)


def _flow(instructions: Sequence[Instruction]) -> list[list[int]]:
    """For each instruction the numbers of those that may follow."""
    numbers = {item.address_bytes: number for number, item in enumerate(instructions)}
    meeting: dict[str, int] = {}  # where the threads of a convergence barrier meet, by its name
    flow = []
    for number, item in enumerate(instructions):
        target = numbers.get(_target_bytes(item))
        if item.name == "BSSY" and target is not None:
            meeting[item.operands.split(",")[0].strip()] = target
        following = set()
        if item.name in _JUMPS and target is not None:
            following.add(target)
        if item.name == "BSYNC":
            following.add(meeting.get(item.operands.strip(), number + 1))
        elif not _ends_here(item):
            following.add(number + 1)
        flow.append(sorted(n for n in following if n < len(instructions)))
    return flow


def _target_bytes(item: Instruction) -> int:
    found = _ADDRESS.findall(item.operands)
    return int(found[-1], 16) if found else -1


def _ends_here(item: Instruction) -> bool:
    """Whether what stands behind it is reached from elsewhere only."""
    always = not item.guarded and (item.name in _ENDS or _ADDRESS.fullmatch(item.operands) is not None)
    return always and (item.name in _ENDS or item.name in {"BRA", "JMP"})


def _closing_edges(flow: list[list[int]]) -> list[tuple[int, int]]:
    """Edges that close a loop, as (origin, head)."""
    dominators = _dominators(flow)
    return [(origin, head) for origin in dominators for head in flow[origin] if head in dominators[origin]]


def _dominators(flow: list[list[int]]) -> dict[int, set[int]]:
    """Of each instruction that can be reached, those through which every path to it goes; itself is one.

    Only where paths part or meet is there anything to say, so each set holds beginnings of blocks and itself.
    """
    before = _reversed(flow)
    order = _reached(flow)
    starts = {order[0]} | {n for n in order if len(before[n]) != 1 or len(flow[before[n][0]]) != 1}
    everything = set(starts)
    found = {n: set(everything) for n in order}
    found[order[0]] = {order[0]}
    changed = True
    while changed:
        changed = False
        for n in order[1:]:
            now = set.intersection(*(found[b] for b in before[n] if b in found))
            now |= {n} & starts
            if now != found[n]:
                found[n], changed = now, True
    return found


def _reached(flow: list[list[int]]) -> list[int]:
    """Numbers of the instructions that can be reached, each before those that only it leads to."""
    seen, order, waiting = {0}, [], [0]
    while waiting:
        order.append(waiting.pop())
        for n in flow[order[-1]]:
            if n not in seen:
                seen.add(n)
                waiting.append(n)
    return sorted(order)


def _reversed(flow: list[list[int]]) -> dict[int, list[int]]:
    before: dict[int, list[int]] = defaultdict(list)
    for n, following in enumerate(flow):
        for f in following:
            before[f].append(n)
    return before


def _body(flow: list[list[int]], origin: int, head: int) -> set[int]:
    """What reaches ``origin`` without passing ``head``, and ``head``."""
    before = _reversed(flow)
    body, waiting = {head, origin}, [origin]
    while waiting:
        n = waiting.pop()
        for b in before[n] if n != head else ():
            if b not in body:
                body.add(b)
                waiting.append(b)
    return body


def _nested(
    bodies: Mapping[int, set[int]], origins: Mapping[int, Sequence[int]], instructions: Sequence[Instruction]
) -> tuple[Loop, ...]:
    """Those of ``bodies``, by their heads, that lie in no other, with the others in them."""
    loops = []
    for head in sorted(bodies, key=lambda head: min(bodies[head])):
        body = bodies[head]
        if any(body < other for other in bodies.values()):
            continue
        inner = {number: other for number, other in bodies.items() if other < body}
        own = sorted(body.difference(*inner.values()))
        loops.append(
            Loop(
                own=tuple(instructions[n] for n in own),
                inner=_nested(inner, origins, instructions),
                closing=tuple(instructions[n] for n in origins[head]),
            )
        )
    return tuple(loops)
