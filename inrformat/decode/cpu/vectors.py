"""Vector operations on eight neighbours of an array, for the short rows and lists of a cell.

One operation on ``<8 x ...>`` (which LLVM splits where the processor has narrower registers) needs no loop, no
remainder and no test for overlap.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["LANES", "ROWS", "add_products", "add_scaled", "append_nonzero"]

LANES = 8
ROWS = 4
_FLAGS = ("contract",)


def _spread(builder: Any, value: Any) -> Any:
    """A vector of eight times the same float32."""
    vector, number = ir.VectorType(ir.FloatType(), LANES), ir.IntType(32)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(number, 0))
    zeros = ir.Constant(ir.VectorType(number, LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def _add_scaled(_context: Any, row: Any, i: Any, wave: Any, j: Any, weight: Any) -> Any:
    """``row[i : i + 8] += weight * wave[j : j + 8]``, all float32, contiguous, not checked against their bounds."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), LANES)

        def place(array: int, index: int) -> Any:
            data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
            return builder.bitcast(builder.gep(data, [arguments[index]]), vector.as_pointer())

        target, source = place(0, 1), place(2, 3)
        before, part = (builder.load(p, align=4) for p in (target, source))
        part = builder.fmul(part, _spread(builder, arguments[4]), flags=_FLAGS)
        total = builder.fadd(before, part, flags=_FLAGS)
        builder.store(total, target, align=4)
        return context.get_dummy_value()

    return types.void(row, types.intp, wave, types.intp, types.float32), generate


add_scaled: Any = intrinsic(_add_scaled)


def _add_products(
    _context: Any, out: Any, at: Any, out_pitch: Any, factors: Any, f: Any, factor_pitch: Any, used: Any, count: Any,
    waves: Any, j: Any, pitch: Any,
) -> Any:  # fmt: skip
    """Add to a block of outputs, ``ROWS x LANES`` from ``at`` on, the sum over g < ``count`` of the products of
    ``factors[f + y factor_pitch + used[g]]`` in row y and ``waves[j + g pitch + x]`` in column x.

    All arrays are contiguous and not checked against their bounds. The sums stay in registers.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, whole = ir.VectorType(ir.FloatType(), LANES), ir.IntType(64)
        out, factors, used, waves = (
            context.make_array(signature.args[a])(context, builder, arguments[a]).data for a in (0, 3, 6, 8)
        )
        at, out_pitch, f, factor_pitch, count, j, pitch = (arguments[a] for a in (1, 2, 4, 5, 7, 9, 10))

        def load(array: Any, index: Any) -> Any:
            return builder.load(builder.bitcast(builder.gep(array, [index]), vector.as_pointer()), align=4)

        def behind(first: Any, row: int, apart: Any) -> Any:
            return builder.add(first, builder.mul(ir.Constant(whole, row), apart))

        places = [behind(at, row, out_pitch) for row in range(ROWS)]
        sums = [cgutils.alloca_once_value(builder, load(out, place)) for place in places]  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, count) as loop:
            wave = load(waves, builder.add(j, builder.mul(loop.index, pitch)))
            unit = builder.add(f, builder.load(builder.gep(used, [loop.index])))
            for row, total in enumerate(sums):
                factor = builder.load(builder.gep(factors, [behind(unit, row, factor_pitch)]))
                product = builder.fmul(wave, _spread(builder, factor), flags=_FLAGS)
                builder.store(builder.fadd(builder.load(total), product, flags=_FLAGS), total)
        for place, total in zip(places, sums, strict=True):
            target = builder.bitcast(builder.gep(out, [place]), vector.as_pointer())
            builder.store(builder.load(total), target, align=4)
        return context.get_dummy_value()

    arguments = out, at, out_pitch, factors, f, factor_pitch, used, count, waves, j, pitch
    return types.void(*arguments), generate


add_products: Any = intrinsic(_add_products)


def _append_nonzero(
    _context: Any, values: Any, i: Any, count: Any, numbers: Any, j: Any, step: Any, out: Any, weights: Any, n: Any
) -> Any:
    """Append to two lists what is not zero among ``values[i : i + min(count, 8)]``: number and ``step`` times value.

    Args:
        values, numbers: int32, read as eight from i and from j on. out: int32, weights: float32; from n on, eight
            entries of each may be overwritten.

    Returns:
        How long the lists are then.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole, word, single = ir.IntType(64), ir.IntType(32), ir.FloatType()
        integers, floats = ir.VectorType(word, LANES), ir.VectorType(single, LANES)

        def data(array: int) -> Any:
            return context.make_array(signature.args[array])(context, builder, arguments[array]).data

        def eight(array: int, index: int) -> Any:
            place = builder.gep(data(array), [arguments[index]])
            return builder.load(builder.bitcast(place, integers.as_pointer()), align=4)

        value, number = eight(0, 1), eight(3, 4)
        weight = builder.fmul(builder.sitofp(value, floats), _spread(builder, arguments[5]))
        nonzero = builder.icmp_signed("!=", value, ir.Constant(integers, [0] * LANES))
        out, weights, n = data(6), data(7), arguments[8]
        for lane in range(LANES):
            # Every lane is stored, the next one over it if it was zero: which are is random, no branch knows.
            at = ir.Constant(word, lane)
            builder.store(builder.extract_element(number, at), builder.gep(out, [n]))
            builder.store(builder.extract_element(weight, at), builder.gep(weights, [n]))
            within = builder.icmp_signed(">", arguments[2], ir.Constant(whole, lane))
            counts = builder.and_(builder.extract_element(nonzero, at), within)
            n = builder.add(n, builder.zext(counts, whole))
        return n

    return types.intp(
        values, types.intp, types.intp, numbers, types.intp, types.float32, out, weights, types.intp
    ), generate


append_nonzero: Any = intrinsic(_append_nonzero)
