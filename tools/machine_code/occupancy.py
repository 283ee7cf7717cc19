"""How many programs of a kernel, and warps, a multiprocessor holds at once.

Numbers are of the CUDA C++ programming guide, table "technical specifications per compute capability", and of NVIDIA's
occupancy calculator for how registers and shared memory are handed out.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MULTIPROCESSORS", "Multiprocessor", "Occupancy", "occupancy"]

_LANES = 32
_REGISTERS = 65536
_SCHEDULERS = 4
"""Each has a quarter of the registers for its warps."""
_REGISTER_UNIT = 256
"""Registers of a warp are handed out in multiples of so many."""
_SHARED_UNIT_BYTES = 128
_RESERVED_SHARED_BYTES = 1024
"""Of each program, the system's own."""


@dataclass(frozen=True, slots=True)
class Multiprocessor:
    """What one holds at most."""

    warps: int
    programs: int
    shared_bytes: int


MULTIPROCESSORS = {
    80: Multiprocessor(warps=64, programs=32, shared_bytes=164 << 10),
    90: Multiprocessor(warps=64, programs=32, shared_bytes=228 << 10),
}
"""By compute capability, as 90 for 9.0."""


@dataclass(frozen=True, slots=True)
class Occupancy:
    """Programs and their warps on one multiprocessor, and what there is no more of: warps, registers or shared."""

    programs: int
    warps: int
    limit: str


def occupancy(sm: int, *, warps: int, registers: int, shared_bytes: int) -> Occupancy:
    """Of a kernel whose programs have ``warps`` warps, ``registers`` per thread and ``shared_bytes`` per program.

    Raises:
        KeyError: of a compute capability that is not in `MULTIPROCESSORS`.
    """
    most = MULTIPROCESSORS[sm]
    of_a_warp = _rounded_up(registers * _LANES, _REGISTER_UNIT)
    shared = _rounded_up(shared_bytes + _RESERVED_SHARED_BYTES, _SHARED_UNIT_BYTES)
    programs = {
        "warps": min(most.warps // warps, most.programs),
        "registers": _REGISTERS // _SCHEDULERS // of_a_warp * _SCHEDULERS // warps,
        "shared": most.shared_bytes // shared,
    }
    limit = min(programs, key=lambda name: programs[name])
    return Occupancy(programs=programs[limit], warps=programs[limit] * warps, limit=limit)


def _rounded_up(number: int, unit: int) -> int:
    return -(-number // unit) * unit
