"""Symbols of a record, and what can be wrong with it."""

import numpy as np
import pytest

from inrformat.coding.plain_bits_numba import add_low_bits
from inrformat.coding.rans_numba import encode_record
from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decoding.cpu import rans
from inrformat.decoding.cpu.batch import Sample

COUNT = 400


@pytest.fixture(scope="module", params=[4, 64])
def coded(request):
    """Values, their tables' numbers, the tables, the words of the record, and its lanes."""
    values = np.random.default_rng(0).integers(-200, 200, COUNT).astype(np.int32)
    tables, ids = TableSet.of([SymbolTable.from_values(values)]), np.zeros(COUNT, np.int32)
    values[7] = 30000
    assert tables.low_bits[0] > 0
    record = encode_record(values, ids, np.array([COUNT]), tables, lanes=request.param)
    return values, ids, tables, np.frombuffer(record, np.uint16), request.param


def decode(words, ids, tables, lanes):
    """The status of a record without leading segments, by its rule, and its values."""
    sample = Sample(tables.slots.reshape(-1), tables.low_bits, words, 8, 8, lanes)
    if rans.is_too_short(sample):
        return rans.FAULTS[rans.TOO_SHORT][0], None
    streams = rans.open_record(sample)
    values = rans.decode_body(streams, ids)
    plain = rans.plain_words(streams)
    low_end = add_low_bits(values, ids, tables.low_bits, 0, len(values), plain, 0)
    status = rans.close_record(streams, values, plain, low_end)
    return rans.FAULTS[status][0] if status else "", values


def test_values_come_back_and_nothing_is_wrong(coded):
    values, ids, tables, words, lanes = coded
    fault, decoded = decode(words, ids, tables, lanes)
    assert fault == ""
    np.testing.assert_array_equal(decoded, values)


def test_each_fault_is_named(coded):
    _, ids, tables, words, lanes = coded
    assert decode(words[: 2 * lanes - 1], ids, tables, lanes)[0] == "RECORD-LENGTH"
    assert decode(words[:-1], ids, tables, lanes)[0] == "RECORD-SYMBOLS"
    assert decode(np.append(words, words[-1:]), ids, tables, lanes)[0] == "RECORD-SYMBOLS"
    other_state = words.copy()
    other_state[1] ^= 0x8000
    assert decode(other_state, ids, tables, lanes)[0] in {"RECORD-STATE", "RECORD-SYMBOLS", "RECORD-PATCH"}
    if lanes > 32:
        longer = words.copy()
        longer[2 * lanes + 1] = 1
        assert decode(longer, ids, tables, lanes)[0] == "RECORD-LENGTH"
