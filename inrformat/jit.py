"""Options of numba under names that say what they promise; functions are compiled with one of these.

``relaxed`` lets the compiler reassociate and contract floating-point operations, so that loops fill vector lanes. What
it makes of a sum then depends on the compiler, on the processor, and on where the function was inlined: use it where
results are compared with a tolerance, as those of decoders are. ``relaxed_inline`` is the same for small functions that
are copied to where they are called. ``exact`` compiles what the source says, operation by operation: use it for what
decides about the bytes of a file. A multiply-add there is ``fma``: left to the compiler, it would round once or twice
as the processor has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from numba import njit, types
from numba.extending import intrinsic

__all__ = ["exact", "fma", "relaxed", "relaxed_inline"]

# No nnan or ninf: what is not finite must stay visible.
_RELAXED = {"contract", "reassoc", "nsz", "arcp"}

Function = TypeVar("Function", bound=Callable[..., Any])


class _Compiler(Protocol):
    """A decorator that leaves a function's type as it is."""

    def __call__(self, function: Function, /) -> Function: ...


exact: _Compiler = cast(_Compiler, njit(cache=True, nogil=True, error_model="numpy"))
relaxed: _Compiler = cast(_Compiler, njit(cache=True, nogil=True, error_model="numpy", fastmath=_RELAXED))
relaxed_inline: _Compiler = cast(_Compiler, njit(inline="always", nogil=True, error_model="numpy", fastmath=_RELAXED))
"""Inlined before compilation: has no object of its own, and needs no second compilation."""


def _fma(_context: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), generate


fma: Any = intrinsic(_fma)
"""``a * b + c`` of float32 numbers, in compiled functions, with the one rounding that IEEE 754 defines.

LLVM calls a library for it where the processor has no such instruction.
"""
