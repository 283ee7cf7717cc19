"""Options of numba under names that say what they promise; functions are compiled with one of these.

``relaxed`` lets the compiler reassociate and contract floating-point operations, so that loops fill vector lanes. What
it makes of a sum then depends on the compiler, on the processor, and on where the function was inlined: use it where
results are compared with a tolerance, as those of decoders are. ``relaxed_part`` is the same for functions that only
compiled ones call: what lets Python call a function takes as long to compile as a short function. ``relaxed_inline`` is
for small ones that are copied to where they are called. ``exact`` compiles what the source says, operation by
operation: use it for what decides about the bytes of a file, and for random parameters, which are the same on every
device. A multiply-add there is ``fma``: left to the compiler, it would round once or twice as the processor has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from numba import njit, types
from numba.extending import intrinsic

__all__ = ["exact", "fma", "relaxed", "relaxed_inline", "relaxed_part"]

# No nnan or ninf: what is not finite must stay visible.
_RELAXED = {"contract", "reassoc", "nsz", "arcp"}

Function = TypeVar("Function", bound=Callable[..., Any])


class _Compiler(Protocol):
    """A decorator that leaves a function's type as it is."""

    def __call__(self, function: Function, /) -> Function: ...


_SHARED: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def _cached(**options: Any) -> _Compiler:
    """Compile with what is compiled kept for other processes, where numba finds a folder that it may write to."""

    def compiler(function: Any) -> Any:
        try:
            return njit(cache=True, **_SHARED, **options)(function)
        except RuntimeError:  # "no locator available": a machine that may write nowhere can still compile
            return njit(**_SHARED, **options)(function)

    return cast(_Compiler, compiler)


exact: _Compiler = _cached()
relaxed: _Compiler = _cached(fastmath=_RELAXED)
relaxed_part: _Compiler = _cached(fastmath=_RELAXED, no_cpython_wrapper=True)
relaxed_inline: _Compiler = cast(_Compiler, njit(inline="always", fastmath=_RELAXED, **_SHARED))
"""Inlined before compilation: has no object of its own, and needs no second compilation."""


def _fma(_context: Any, a: Any, b: Any, c: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), generate


fma: Any = intrinsic(_fma)
"""``a * b + c`` of float32 numbers, in compiled functions, with the one rounding that IEEE 754 defines.

LLVM calls a library for it where the processor has no such instruction.
"""
