"""Kernels as they are launched, to compile them where there is no GPU and no batch (``tools/kernel_report.py``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from inrformat.decoding.geometry import PaddingMode
from inrformat.decoding.triton.entry import SCALAR_POINTERS

__all__ = ["ALIGNED", "FLOATS", "GENERAL", "POINTERS", "KernelVariant"]

POINTERS = {
    "channel_style": "*fp32",
    "displacement": "*fp32",
    "floats": "*fp32",
    "heads": "*i32",
    "integers": "*i32",
    "lengths": "*i64",
    "offsets": "*i64",
    "out": "*bf16",
    "packed": "*fp32",
    "rows": "*i64",
    "shapes": "*i64",
    "slot_entries": "*i32",
    "status": "*i32",
    "taps": "*fp32",
    "words": "*i16",
}
"""Types of the tensors that kernels of all families are given, by name, as Triton spells them."""
FLOATS = {"point_span"}
"""Arguments that are float32 numbers."""
LONG = {"word_count"}
"""Arguments that are int64 numbers, whatever their size; those that are neither are int32."""
ALIGNED = {"C": 3, "C_PAD": 4, "BYTES": False, "PADDING_MODE": int(PaddingMode.EXTEND)}
"""Constants of the usual aligned map: colour images, floats out, nothing outside in view."""
GENERAL = ALIGNED | {"PADDING_MODE": int(PaddingMode.CONSTANT)}
"""Constants of the usual map that is not aligned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelVariant:
    """A kernel, compiled for some constants.

    Attributes:
        name: for reports; begins with the family's. kernel: the jitted function.
        constants, options: of the kernel and of the compiler. pointers: types of the family's own tensors by name.
        multiples_of_16: numbers that always are, which the compiler makes use of.
    """

    name: str
    kernel: Any
    constants: Mapping[str, Any]
    options: Mapping[str, int]
    pointers: Mapping[str, str]
    multiples_of_16: Iterable[str] = ()

    def signature(self) -> dict[str, str]:
        """Type of every argument by name, in their order, as Triton spells them."""
        types = (
            POINTERS
            | dict(self.pointers)
            | dict.fromkeys(FLOATS, "fp32")
            | dict.fromkeys(LONG, "i64")
            | dict.fromkeys(self.constants, "constexpr")
        )
        return {name: types.get(name, "i32") for name in self.kernel.arg_names}

    def divisible(self) -> set[str]:
        """Arguments that the kernel is compiled for as multiples of 16 where they are launched with such."""
        tensors = {name for name, kind in self.signature().items() if kind.startswith("*")}
        return tensors - set(SCALAR_POINTERS) | set(self.multiples_of_16)
