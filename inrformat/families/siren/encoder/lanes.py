"""Products and sums in an order that is written down, eight lanes wide, the same on every processor.

A compiler that may reorder a sum makes another one of it in every place that it inlines it to, and on every processor;
the bytes of a file would hang on that. Here lane k of a sum takes the elements k, k + 8, k + 16, ... in turn, and lanes
are added as halves, then quarters, then pairs. A product is added to a sum with one rounding (the fused multiply-add
of IEEE 754), which LLVM calls a library for where the processor has no such instruction. LLVM splits the vectors where
registers are narrower. Arrays are float32, contiguous and not checked against their bounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["ROWS", "TILE_PIXELS", "add_products", "add_row_sums", "add_square_sums"]

TILE_PIXELS = 128
"""Columns of every array here: a compile-time constant, so that row strides are known."""
ROWS = 4
"""Rows that are worked on together: sixteen sums of products then stay in registers."""

_LANES = 8
_FLOAT, _INDEX = ir.FloatType(), ir.IntType(64)
_EIGHT = ir.VectorType(_FLOAT, _LANES)


def _add_products(_context: Any, sums: Any, pitch: Any, left: Any, right: Any) -> Any:
    """``sums[r * pitch + c] += sum over p of left[r * T + p] * right[c * T + p]`` for r, c < 4."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        sums, lefts, rights = (_data(context, builder, signature, arguments, n) for n in (0, 2, 3))
        zero = ir.Constant(_EIGHT, [0.0] * _LANES)
        blocks = [[cgutils.alloca_once_value(builder, zero) for _ in range(ROWS)] for _ in range(ROWS)]  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, ir.Constant(_INDEX, TILE_PIXELS // _LANES)) as loop:
            column = builder.mul(loop.index, ir.Constant(_INDEX, _LANES))
            left, right = (
                [_eight(builder, rows, _behind(builder, column, r * TILE_PIXELS)) for r in range(ROWS)]
                for rows in (lefts, rights)
            )
            for r in range(ROWS):
                for c in range(ROWS):
                    total = builder.load(blocks[r][c])
                    builder.store(_fma_lanes(builder, left[r], right[c], total), blocks[r][c])
        at = ir.Constant(_INDEX, 0)
        for block in blocks:
            _add_four(builder, sums, at, [builder.load(total) for total in block])
            at = builder.add(at, arguments[1])
        return context.get_dummy_value()

    return types.void(sums, types.intp, left, right), generate


def _row_reduction(term: Callable[[Any, Any, Any], Any]) -> Callable[..., Any]:
    """``sums[r] += sum over p of term(rows[r * T + p])`` for r < 4."""

    def typed(_context: Any, sums: Any, rows: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            sums, rows = (_data(context, builder, signature, arguments, n) for n in (0, 1))
            totals = [ir.Constant(_EIGHT, [0.0] * _LANES) for _ in range(ROWS)]
            for column in range(0, TILE_PIXELS, _LANES):
                for r in range(ROWS):
                    values = _eight(builder, rows, ir.Constant(_INDEX, r * TILE_PIXELS + column))
                    totals[r] = term(builder, values, totals[r])
            _add_four(builder, sums, ir.Constant(_INDEX, 0), totals)
            return context.get_dummy_value()

        return types.void(sums, rows), generate

    return typed


def _data(context: Any, builder: Any, signature: Any, arguments: Any, number: int) -> Any:
    return context.make_array(signature.args[number])(context, builder, arguments[number]).data


def _behind(builder: Any, at: Any, offset: int) -> Any:
    return builder.add(at, ir.Constant(_INDEX, offset))


def _eight(builder: Any, data: Any, at: Any) -> Any:
    return builder.load(builder.bitcast(builder.gep(data, [at]), _EIGHT.as_pointer()), align=4)


def _add_four(builder: Any, sums: Any, at: Any, totals: list[Any]) -> None:
    """``sums[at + n] +=`` the sum of the lanes of ``totals[n]``, for n < 4."""
    halves = [builder.fadd(_lanes(builder, t, t, (0, 1, 2, 3)), _lanes(builder, t, t, (4, 5, 6, 7))) for t in totals]
    first, second = (
        builder.fadd(_lanes(builder, a, b, (0, 1, 4, 5)), _lanes(builder, a, b, (2, 3, 6, 7)))
        for a, b in (halves[:2], halves[2:])
    )
    four = builder.fadd(_lanes(builder, first, second, (0, 2, 4, 6)), _lanes(builder, first, second, (1, 3, 5, 7)))
    place = builder.bitcast(builder.gep(sums, [at]), four.type.as_pointer())
    builder.store(builder.fadd(builder.load(place, align=4), four), place, align=4)


def _fma_lanes(builder: Any, a: Any, b: Any, c: Any) -> Any:
    kind = ir.FunctionType(_EIGHT, [_EIGHT] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{_LANES}f32")  # type: ignore[no-untyped-call]
    return builder.call(function, [a, b, c])


def _lanes(builder: Any, a: Any, b: Any, numbers: tuple[int, ...]) -> Any:
    """Those of the lanes of two vectors, one after the other."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers)))


add_products: Any = intrinsic(_add_products)
add_row_sums: Any = intrinsic(_row_reduction(lambda builder, values, total: builder.fadd(total, values)))
add_square_sums: Any = intrinsic(
    _row_reduction(lambda builder, values, total: _fma_lanes(builder, values, values, total))
)
