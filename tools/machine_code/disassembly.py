"""Machine instructions of a compiled kernel, by the disassembler that Triton carries.

The disassembler's form is NVIDIA's SASS, one instruction a line:

    /*3f50*/              @P4 BRA 0x1c40 ;                                              /* 0x... */
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import triton

__all__ = ["TOOLS", "Instruction", "instructions_of", "parsed"]

TOOLS = Path(triton.__file__).parent / "backends/nvidia/bin"
"""Where Triton keeps NVIDIA's assemblers and disassemblers."""

_LINE = re.compile(
    r"^\s+/\*(?P<address>[0-9a-f]+)\*/\s+(?P<guard>@!?U?P\w+\s+)?(?P<opcode>[A-Z][\w.]*)(?P<operands>[^;]*);"
)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    Attributes:
        address_bytes: from the kernel's beginning. opcode: with its modifiers, as ``LDG.E.64``. operands: as text.
        guarded: whether a predicate decides if it has an effect.
    """

    address_bytes: int
    opcode: str
    operands: str
    guarded: bool

    @property
    def name(self) -> str:
        """The opcode without modifiers."""
        return self.opcode.partition(".")[0]


def instructions_of(cubin: bytes) -> list[Instruction]:
    """Of a compiled kernel, in the order of their addresses, without the padding behind its end.

    Raises:
        RuntimeError: the disassembler fails, or what it writes has another form.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kernel.cubin"
        file.write_bytes(cubin)
        command = [str(TOOLS / "cuobjdump"), "-sass", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = parsed(done.stdout)
    if done.returncode != 0 or not found:
        raise RuntimeError(f"{' '.join(command)} gave no instructions: {done.stderr.strip() or done.stdout[:200]}")
    return found


def parsed(listing: str) -> list[Instruction]:
    """Of a disassembler's listing of one kernel."""
    matches = [match for line in listing.splitlines() if (match := _LINE.match(line))]
    found = [
        Instruction(
            address_bytes=int(match["address"], 16),
            opcode=match["opcode"],
            operands=match["operands"].strip(),
            guarded=match["guard"] is not None,
        )
        for match in matches
    ]
    while found and (found[-1].name == "NOP" or _is_trap(found[-1])):
        found.pop()
    return found


def _is_trap(instruction: Instruction) -> bool:
    """Whether it branches to itself, as the one behind a kernel's end does."""
    return instruction.name == "BRA" and instruction.operands == hex(instruction.address_bytes)
