"""Instructions by the unit of a multiprocessor that executes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from machine_code.disassembly import Instruction

__all__ = ["Class", "class_of", "counted"]


class Class(StrEnum):
    """A unit, or a use of it."""

    FMA = "fma"
    """Floating-point and integer multiply-add, the sums and products among them."""
    ALU = "alu"
    """Logic, shifts, comparisons, selections, moves and all that is not listed elsewhere."""
    SPECIAL = "mufu"
    """Reciprocal, root, sine, exponential, conversions between kinds of numbers, bit counts: an eighth of the rate."""
    MMA = "mma"
    """Products of matrices."""
    LOAD_GLOBAL = "load_global"
    STORE_GLOBAL = "store_global"
    ATOMIC = "atomic"
    LOAD_SHARED = "load_shared"
    STORE_SHARED = "store_shared"
    LOCAL = "local"
    """Loads and stores of spilled registers and of arrays that are indexed."""
    CONSTANT = "constant"
    SHUFFLE = "shuffle"
    """Exchanges between the lanes of a warp, votes among them."""
    UNIFORM = "uniform"
    """What a warp computes once for all of its lanes."""
    BRANCH = "branch"
    BARRIER = "barrier"
    """Waiting for other warps, for memory, or for products of matrices."""


_NAMES = {
    Class.FMA: "FFMA FMUL FADD FFMA32I FMUL32I FADD32I IMAD IMUL IDP HFMA2 HADD2 HMUL2 DFMA DADD DMUL",
    Class.SPECIAL: "MUFU I2F F2I F2F FRND POPC FLO BREV I2I",
    Class.MMA: "HMMA IMMA DMMA BMMA HGMMA IGMMA QGMMA BGMMA",
    Class.LOAD_GLOBAL: "LDG LD LDGSTS UBLKCP UTMALDG",
    Class.STORE_GLOBAL: "STG ST UTMASTG",
    Class.ATOMIC: "ATOM ATOMG ATOMS RED REDG",
    Class.LOAD_SHARED: "LDS LDSM",
    Class.STORE_SHARED: "STS STSM",
    Class.LOCAL: "LDL STL",
    Class.CONSTANT: "LDC ULDC",
    Class.SHUFFLE: "SHFL VOTE VOTEU MATCH REDUX",
    Class.BRANCH: "BRA BRX JMP CALL RET EXIT BSSY BSYNC BREAK WARPSYNC YIELD BMOV NANOSLEEP BPT KILL",
    Class.BARRIER: "BAR MEMBAR DEPBAR LDGDEPBAR ERRBAR FENCE SYNCS WARPGROUP ARRIVES CCTL",
}
_CLASSES = {name: kind for kind, names in _NAMES.items() for name in names.split()}


def class_of(instruction: Instruction) -> Class:
    """Its unit. Uniform instructions begin with a U, as UIADD3."""
    known = _CLASSES.get(instruction.name)
    if known is not None:
        return known
    return Class.UNIFORM if instruction.name.startswith("U") else Class.ALU


def counted(instructions: Iterable[Instruction]) -> dict[str, int]:
    """How many there are of each class that occurs, most frequent first."""
    return dict(Counter(str(class_of(instruction)) for instruction in instructions).most_common())
