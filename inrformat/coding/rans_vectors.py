"""Eight rANS lanes at once, as LLVM vectors, for ``coding/rans_numba.py``.

Lanes are independent but for the words that they take, in the order of the lanes: a lane's word is as far ahead as
lanes before it take one, which a table says for each of the 256 cases. LLVM splits the vectors where the processor
has narrower registers. Measured side by side on records of photographs, a symbol took 5.9 ns one lane after the other
and 2.2 ns like this with a load for every word; with a permutation of the next eight words 1.5 ns, against 2.3 then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from inrformat.coding.plain_bits import WORD_BITS
from inrformat.coding.rans import LOWER_BOUND
from inrformat.coding.tables import PRECISION_BITS, SLOT_BIAS, SLOT_FREQ, TOKEN_BITS, TOTAL

__all__ = ["LANES", "RANKS", "chosen", "decode_eight"]

LANES = 8
RANKS = np.array([[bin(taken & ((1 << i) - 1)).count("1") for i in range(LANES)] for taken in range(256)], np.uint8)
"""For each set of lanes that take a word, a bit each: how many lanes before lane i do."""

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_EIGHT = ir.VectorType(_I32, LANES)


def _all(value: int) -> Any:
    return ir.Constant(_EIGHT, [value] * LANES)


def _gather(builder: Any, base: Any, places: Any) -> Any:
    """``base[places]`` as uint32 of eight, loaded one by one: AVX2's own gather is a fifth faster, but only there."""
    gathered = ir.Constant(_EIGHT, ir.Undefined)
    pairs = builder.bitcast(places, ir.VectorType(_I64, LANES // 2))
    for lane in range(LANES):
        pair = builder.extract_element(pairs, ir.Constant(_I32, lane // 2))
        place = (
            builder.lshr(pair, ir.Constant(_I64, 32)) if lane % 2 else builder.and_(pair, ir.Constant(_I64, 0xFFFFFFFF))
        )
        value = builder.load(builder.gep(base, [place]))
        gathered = builder.insert_element(gathered, value, ir.Constant(_I32, lane))
    return gathered


def chosen(builder: Any, numbers: Any, places: Any) -> Any:
    """``numbers[places]`` of eight numbers: LLVM makes one permutation of it where the processor has one."""
    result = ir.Constant(_EIGHT, ir.Undefined)
    for lane in range(LANES):
        at = ir.Constant(_I32, lane)
        number = builder.extract_element(numbers, builder.extract_element(places, at))
        result = builder.insert_element(result, number, at)
    return result


def _decode_eight(
    _context: Any,
    table_ids: Any,
    i: Any,
    slots: Any,
    states: Any,
    lane: Any,
    words: Any,
    at: Any,
    ranks: Any,
    tokens: Any,
) -> Any:
    """Decode the tokens of symbols i .. i + 7 with lanes ``lane .. lane + 7``; nothing is checked against its bounds.

    Args:
        table_ids: int32. slots: uint32, flat ``TableSet.slots``. states: uint32. words: uint16, at least eight from
            ``at`` on. ranks: ``RANKS``, flat. tokens: int32, written.

    Returns:
        The number of the next word.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        ids, first, slot_data, state_data, own, word_data, following, rank_data, out = (
            context.make_array(kind)(context, builder, argument).data if isinstance(kind, types.Array) else argument
            for kind, argument in zip(signature.args, arguments, strict=True)
        )

        def eight(array: Any, index: Any) -> Any:
            return builder.bitcast(builder.gep(array, [index]), _EIGHT.as_pointer())

        state = builder.load(eight(state_data, own), align=4)
        table = builder.load(eight(ids, first), align=4)
        place = builder.or_(builder.shl(table, _all(PRECISION_BITS)), builder.and_(state, _all(TOTAL - 1)))
        slot = _gather(builder, slot_data, place)
        token = builder.ashr(builder.shl(slot, _all(32 - TOKEN_BITS)), _all(32 - TOKEN_BITS))
        builder.store(token, eight(out, first), align=4)

        freq = builder.add(builder.and_(builder.lshr(slot, _all(SLOT_FREQ)), _all(TOTAL - 1)), _all(1))
        state = builder.mul(freq, builder.lshr(state, _all(PRECISION_BITS)))
        state = builder.add(state, builder.lshr(slot, _all(SLOT_BIAS)))
        low = builder.icmp_unsigned("<", state, _all(LOWER_BOUND))
        taken = builder.zext(builder.bitcast(low, _I8), _I64)
        ranks = builder.gep(rank_data, [builder.mul(taken, ir.Constant(_I64, LANES))])
        rank = builder.load(builder.bitcast(ranks, ir.VectorType(_I8, LANES).as_pointer()), align=1)
        ahead = builder.bitcast(builder.gep(word_data, [following]), ir.VectorType(_I16, LANES).as_pointer())
        word = chosen(builder, builder.zext(builder.load(ahead, align=2), _EIGHT), builder.zext(rank, _EIGHT))
        refilled = builder.or_(builder.shl(state, _all(WORD_BITS)), word)
        builder.store(builder.select(low, refilled, state), eight(state_data, own), align=4)
        return builder.add(following, builder.ctpop(taken))

    return types.uint64(table_ids, i, slots, states, lane, words, at, ranks, tokens), generate


decode_eight: Any = intrinsic(_decode_eight)
