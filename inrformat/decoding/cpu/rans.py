"""Symbols of one record, and what can be wrong with records of all families (spec section 7); compiled.

A status is 0 or the number of a fault. Families number their own faults from ``FIRST_FAMILY_FAULT`` on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans import LOWER_BOUND
from inrformat.coding.rans_numba import decode_segment
from inrformat.coding.rans_vectors import LANES
from inrformat.decoding.cpu.batch import Sample
from inrformat.jit import relaxed_inline

__all__ = [
    "FAULTS",
    "FIRST_FAMILY_FAULT",
    "OK",
    "TOO_SHORT",
    "RecordStream",
    "decode_symbols",
    "is_too_short",
    "open_record",
    "record_fault",
]

OK, TOO_SHORT, _MISCOUNTED, _UNFINISHED, FIRST_FAMILY_FAULT = range(5)
FAULTS = {
    TOO_SHORT: ("RECORD-LENGTH", "a record is too short for its rANS lanes, or of odd length"),
    _MISCOUNTED: ("RECORD-SYMBOLS", "a record has more or fewer words than its symbols need"),
    _UNFINISHED: ("RECORD-STATE", "a rANS lane did not end in its initial state"),
}
"""Rule and text of each status above 0."""


class RecordStream(NamedTuple):
    """A record being decoded.

    Attributes:
        slots: uint32 ``(2, T, 4096)``, as in `Batch`.
        states: uint32 ``(lanes,)``, change with every symbol. words: uint16, those behind the states at the head.
    """

    slots: NDArray[np.uint32]
    states: NDArray[np.uint32]
    words: NDArray[np.uint16]


@relaxed_inline
def is_too_short(sample: Sample) -> bool:
    """Whether a record cannot hold the states of its lanes."""
    return len(sample.words) < 2 * sample.lanes


@relaxed_inline
def open_record(sample: Sample) -> tuple[RecordStream, Any]:
    """A record that is long enough for its lanes, and the number of its next word, as ``decode_symbols`` takes them."""
    words, lanes = sample.words, sample.lanes
    states = np.empty(lanes, np.uint32)
    for i in range(lanes):
        states[i] = np.uint32(words[2 * i]) | np.uint32(words[2 * i + 1]) << np.uint32(16)
    # Of the type in which the decoder counts words: it would be compiled for any other a second time.
    return RecordStream(sample.slots, states, words[2 * lanes :]), np.uint64(0)


@relaxed_inline
def decode_symbols(stream: RecordStream, table_ids: Any, next_word: Any) -> tuple[Any, Any]:
    """The next segment.

    Args:
        table_ids: int32 ``(n,)``, symbol table of each value.

    Returns:
        The values, int32 ``(n,)``, with room behind them for reading a whole vector from any of them on; and the number
        of the next word.
    """
    values = np.empty(len(table_ids) + LANES, np.int32)[: len(table_ids)]
    return values, decode_segment(table_ids, stream.slots, stream.states, stream.words, next_word, values)


@relaxed_inline
def record_fault(stream: RecordStream, next_word: Any) -> int:
    """Status of a record whose symbols have all been decoded."""
    if next_word != len(stream.words):
        return _MISCOUNTED
    for state in stream.states:
        if state != np.uint32(LOWER_BOUND):
            return _UNFINISHED
    return OK
