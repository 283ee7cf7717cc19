"""Vector operations on eight neighbours of an array, for the short rows and lists of a cell and its few pixels.

One operation on ``<8 x float>`` (which LLVM splits where the processor has narrower registers) needs no loop, no
remainder and no test for overlap. Arrays are contiguous and not checked against their bounds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from inrformat.coding.rans_vectors import chosen

__all__ = [
    "LANES",
    "ORDERS",
    "ROWS",
    "add_product",
    "add_products",
    "add_scaled",
    "append_nonzero",
    "cosines",
    "put_scaled",
]

LANES = 8
ROWS = 4
ORDERS = np.array([sorted(range(LANES), key=lambda i: not kept >> i & 1) for kept in range(256)], np.uint8)
"""For each set of lanes, a bit each: all lanes, those of the set first."""
_FLAGS = ("contract",)


def _place(context: Any, builder: Any, signature: Any, arguments: Any, array: int, index: Any = None) -> Any:
    """Address of the eight neighbours in argument ``array`` from ``index`` on, or from the argument behind it on."""
    data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
    vector = ir.VectorType(data.type.pointee, LANES)
    return builder.bitcast(builder.gep(data, [arguments[array + 1] if index is None else index]), vector.as_pointer())


def _spread(builder: Any, number: Any) -> Any:
    """A number in every lane."""
    none = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
    first = builder.insert_element(none, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, none, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _add_scaled(_context: Any, row: Any, i: Any, source: Any, j: Any, weight: Any) -> Any:
    """``row[i : i + 8] += weight * source[j : j + 8]``, all float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source = (_place(context, builder, signature, arguments, k) for k in (0, 2))
        before, part = (builder.load(p, align=4) for p in (target, source))
        product = builder.fmul(part, _spread(builder, arguments[4]), flags=_FLAGS)
        builder.store(builder.fadd(before, product, flags=_FLAGS), target, align=4)
        return context.get_dummy_value()

    return types.void(row, types.intp, source, types.intp, types.float32), generate


def _put_scaled(_context: Any, row: Any, i: Any, source: Any, j: Any, weight: Any) -> Any:
    """``row[i : i + 8] = weight * source[j : j + 8]``, all float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, source = (_place(context, builder, signature, arguments, k) for k in (0, 2))
        product = builder.fmul(builder.load(source, align=4), _spread(builder, arguments[4]), flags=_FLAGS)
        builder.store(product, target, align=4)
        return context.get_dummy_value()

    return types.void(row, types.intp, source, types.intp, types.float32), generate


def _add_product(_context: Any, row: Any, i: Any, source: Any, j: Any, factor: Any, k: Any, weight: Any) -> Any:
    """``row[i : i + 8] += weight * source[j : j + 8] * factor[k : k + 8]``, otherwise as ``_add_scaled``."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, *sources = (_place(context, builder, signature, arguments, k) for k in (0, 2, 4))
        before, one, other = (builder.load(p, align=4) for p in (target, *sources))
        scaled = builder.fmul(one, _spread(builder, arguments[6]), flags=_FLAGS)
        product = builder.fmul(scaled, other, flags=_FLAGS)
        builder.store(builder.fadd(before, product, flags=_FLAGS), target, align=4)
        return context.get_dummy_value()

    return types.void(row, types.intp, source, types.intp, factor, types.intp, types.float32), generate


def _add_products(
    _context: Any,
    out: Any,
    at: Any,
    out_pitch: Any,
    factors: Any,
    f: Any,
    factor_pitch: Any,
    used: Any,
    count: Any,
    rows: Any,
    j: Any,
    pitch: Any,
) -> Any:
    """Add a matrix product to a block of outputs, ``ROWS x LANES`` from ``out[at]`` on, rows ``out_pitch`` apart.

    Row y and column x get the sum over g < ``count`` of ``factors[f + y * factor_pitch + used[g]]`` times
    ``rows[j + g * pitch + x]``, which stays in registers meanwhile.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, at, out_pitch, _, f, factor_pitch, _, count, _, j, pitch = arguments

        def behind(first: Any, row: int, apart: Any) -> Any:
            return builder.add(first, builder.mul(ir.Constant(apart.type, row), apart))

        def eight(array: int, index: Any) -> Any:
            return _place(context, builder, signature, arguments, array, index)

        def number(array: int, index: Any) -> Any:
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            return builder.load(builder.gep(data, [index]))

        targets = [eight(0, behind(at, row, out_pitch)) for row in range(ROWS)]
        befores = [builder.load(target, align=4) for target in targets]
        sums = [cgutils.alloca_once_value(builder, before) for before in befores]  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, count) as loop:
            row_of_unit = builder.load(eight(8, behind(j, 1, builder.mul(loop.index, pitch))), align=4)
            unit = builder.add(f, number(6, loop.index))
            for row, total in enumerate(sums):
                factor = _spread(builder, number(3, behind(unit, row, factor_pitch)))
                product = builder.fmul(row_of_unit, factor, flags=_FLAGS)
                builder.store(builder.fadd(builder.load(total), product, flags=_FLAGS), total)
        for target, total in zip(targets, sums, strict=True):
            builder.store(builder.load(total), target, align=4)
        return context.get_dummy_value()

    arguments = out, at, out_pitch, factors, f, factor_pitch, used, count, rows, j, pitch
    return types.void(*arguments), generate


def _append_nonzero(
    _context: Any,
    values: Any,
    i: Any,
    numbers: Any,
    j: Any,
    count: Any,
    step: Any,
    out: Any,
    weights: Any,
    n: Any,
    orders: Any,
) -> Any:
    """Append to two lists what is not zero among ``values[i : i + min(count, 8)]``: number and ``step`` times value.

    Args:
        values, numbers: int32, read as eight from i and from j on. out: int32, weights: float32; from n on, eight
            entries of each may be overwritten. orders: ``ORDERS``, flat.

    Returns:
        How long the lists are then.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *_, count, step, _, _, n, orders = arguments
        value, number = (
            builder.load(_place(context, builder, signature, arguments, array), align=4) for array in (0, 2)
        )
        lanes = ir.Constant(value.type, list(range(LANES)))
        within = builder.icmp_signed("<", lanes, _spread(builder, builder.trunc(count, ir.IntType(32))))
        kept = builder.and_(within, builder.icmp_signed("!=", value, ir.Constant(value.type, [0] * LANES)))
        kept = builder.zext(builder.bitcast(kept, ir.IntType(LANES)), n.type)
        # Which are zero is random, no branch knows: a table puts the others first.
        data = context.make_array(signature.args[9])(context, builder, orders).data
        order = builder.gep(data, [builder.mul(kept, ir.Constant(kept.type, LANES))])
        order = builder.load(builder.bitcast(order, ir.VectorType(ir.IntType(8), LANES).as_pointer()), align=1)
        order = builder.zext(order, value.type)
        weight = builder.sitofp(chosen(builder, value, order), ir.VectorType(ir.FloatType(), LANES))
        out, weights = (_place(context, builder, signature, arguments, array, n) for array in (6, 7))
        builder.store(chosen(builder, number, order), out, align=4)
        builder.store(builder.fmul(weight, _spread(builder, step)), weights, align=4)
        return builder.add(n, builder.ctpop(kept))

    arguments = values, types.intp, numbers, types.intp, types.intp, types.float32, out, weights, types.intp, orders
    return types.intp(*arguments), generate


def _cosines(_context: Any, values: Any, i: Any, cosine: Any, j: Any, stride: Any, count: Any, norm: Any) -> Any:
    """``values[i + k * stride : ... + 8] = norm * cos(k phi)`` for k = 1 .. count - 1; ``cosine`` holds ``cos(phi)``.

    The recurrence amplifies rounding by k**2: ``cosine``, ``norm`` and all between are float64, the values float32.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        *_, stride, count, norm = arguments
        first = builder.load(_place(context, builder, signature, arguments, 2), align=8)
        twice, zeroth = builder.fadd(first, first), _spread(builder, norm)
        before, now = (cgutils.alloca_once(builder, first.type) for _ in range(2))  # type: ignore[no-untyped-call]
        builder.store(zeroth, before)
        builder.store(builder.fmul(zeroth, first), now)
        with cgutils.for_range(builder, count, start=ir.Constant(count.type, 1)) as loop:
            value = builder.load(now)
            at = builder.add(arguments[1], builder.mul(loop.index, stride))
            place = _place(context, builder, signature, arguments, 0, at)
            builder.store(builder.fptrunc(value, place.type.pointee), place, align=4)
            after = builder.fsub(builder.fmul(twice, value, flags=_FLAGS), builder.load(before), flags=_FLAGS)
            builder.store(value, before)
            builder.store(after, now)
        return context.get_dummy_value()

    return types.void(values, types.intp, cosine, types.intp, types.intp, types.intp, types.float64), generate


add_scaled: Any = intrinsic(_add_scaled)
put_scaled: Any = intrinsic(_put_scaled)
add_product: Any = intrinsic(_add_product)
add_products: Any = intrinsic(_add_products)
append_nonzero: Any = intrinsic(_append_nonzero)
cosines: Any = intrinsic(_cosines)
