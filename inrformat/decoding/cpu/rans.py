"""Symbols of one record, and what can be wrong with records of all families (spec section 7); compiled.

A status is 0 or the number of a fault. Families number their own faults from ``FIRST_FAMILY_FAULT`` on.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.plain_bits_numba import plain_words_of
from inrformat.coding.rans import STREAM_LANES
from inrformat.coding.rans_numba import MISCOUNTED, OK, UNFINISHED, WRONG_PATCH, decode_stream, ending
from inrformat.coding.rans_vectors import LANES
from inrformat.decoding.cpu.batch import Sample
from inrformat.jit import relaxed_inline, relaxed_part

__all__ = [
    "FAULTS",
    "FIRST_FAMILY_FAULT",
    "OK",
    "TOO_SHORT",
    "RecordStreams",
    "close_record",
    "decode_body",
    "decode_leading",
    "is_too_short",
    "open_record",
    "plain_words",
]

TOO_SHORT = 4
FIRST_FAMILY_FAULT = 5
FAULTS = {
    TOO_SHORT: ("RECORD-LENGTH", "a record is too short for its rANS lanes or streams, or of odd length"),
    MISCOUNTED: ("RECORD-SYMBOLS", "a record has more or fewer words than its symbols need"),
    UNFINISHED: ("RECORD-STATE", "a rANS lane did not end where its plain bits say"),
    WRONG_PATCH: ("RECORD-PATCH", "a record's patches are not of its symbols, in order"),
}
"""Rule and text of each status above 0."""


class RecordStreams(NamedTuple):
    """A record being decoded.

    Attributes:
        slots: as in `Batch`. words: uint16, those behind the record's head.
        states: uint32 ``(lanes,)``, change with every symbol.
        following, ends: int64 ``(streams,)``, of each stream the number of its next word, which changes as well, and
            of the one behind its last.
    """

    slots: NDArray[np.uint32]
    words: NDArray[np.uint16]
    states: NDArray[np.uint32]
    following: NDArray[np.int64]
    ends: NDArray[np.int64]


@relaxed_inline
def _u32(words: Any, number: Any) -> Any:
    return np.int64(words[2 * number]) | np.int64(words[2 * number + 1]) << 16


@relaxed_inline
def is_too_short(sample: Sample) -> bool:
    """Whether a record cannot hold the states of its lanes, or streams of the lengths it states."""
    numbers = sample.lanes + (sample.lanes - 1) // STREAM_LANES
    if len(sample.words) < 2 * numbers:
        return True
    length = np.int64(0)
    for i in range(sample.lanes, numbers):
        length += _u32(sample.words, i)
    return bool(2 * numbers + length > len(sample.words))


@relaxed_inline
def open_record(sample: Sample) -> RecordStreams:
    """A record that is not too short."""
    lanes, further = sample.lanes, (sample.lanes - 1) // STREAM_LANES
    states = np.empty(lanes, np.uint32)
    for i in range(lanes):
        states[i] = _u32(sample.words, i)
    words = sample.words[2 * (lanes + further) :]
    following, ends = np.zeros(further + 1, np.int64), np.empty(further + 1, np.int64)
    for stream in range(further):
        ends[stream] = following[stream] + _u32(sample.words, lanes + stream)
        following[stream + 1] = ends[stream]
    ends[further] = len(words)
    return RecordStreams(sample.slots, words, states, following, ends)


@relaxed_inline
def _room_for(table_ids: Any) -> Any:
    """int32 ``(n,)``, with room behind for reading a whole vector from any of them on."""
    return np.empty(len(table_ids) + LANES, np.int32)[: len(table_ids)]


@relaxed_part
def _decode(streams: RecordStreams, number: Any, table_ids: Any, tokens: Any, stride: Any) -> None:
    """Decode what one stream has of a segment."""
    first, lanes = number * STREAM_LANES, min(stride, STREAM_LANES)
    streams.following[number] = decode_stream(
        table_ids,
        streams.slots,
        streams.states[first : first + lanes],
        streams.words[: streams.ends[number]],
        streams.following[number],
        tokens,
        first,
        stride,
    )


@relaxed_inline
def decode_leading(streams: RecordStreams, table_ids: Any) -> Any:
    """The next leading segment: int32 ``(n,)`` for ``table_ids`` int32 ``(n,)``."""
    tokens = _room_for(table_ids)
    _decode(streams, 0, table_ids, tokens, min(len(streams.states), STREAM_LANES))
    return tokens


@relaxed_inline
def decode_body(streams: RecordStreams, table_ids: Any) -> Any:
    """The tokens of the body, like ``decode_leading``, with room behind for a whole vector from any of them on."""
    tokens = _room_for(table_ids)
    for number in range(len(streams.ends)):
        _decode(streams, number, table_ids, tokens, len(streams.states))
    return tokens


@relaxed_inline
def plain_words(streams: RecordStreams) -> Any:
    """Once the body's tokens are decoded, the words of its plain bits, as ``add_low_bits`` takes them."""
    return plain_words_of(streams.states, streams.words, streams.following[-1])


@relaxed_inline
def close_record(streams: RecordStreams, values: Any, plain: Any, low_end: Any) -> int:
    """Patch ``values``, whose low bits end at ``low_end`` of ``plain``; returns the record's status."""
    return int(ending(values, streams.states, streams.words, streams.following, streams.ends, plain, low_end))
