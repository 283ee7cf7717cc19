"""Symbols of a record, and what can be wrong with it."""

import numpy as np
import pytest

from inrformat.coding.rans_numba import encode_record
from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decoding.cpu import rans
from inrformat.decoding.cpu.batch import Sample

LANES, COUNT = 4, 100


@pytest.fixture(scope="module")
def coded():
    """Values, their tables' numbers, the tables, and the words of the record."""
    values = np.random.default_rng(0).integers(-20, 20, COUNT).astype(np.int32)
    tables, ids = TableSet.of([SymbolTable.from_values(values)]), np.zeros(COUNT, np.int32)
    record = encode_record(values, ids, np.array([COUNT]), tables, lanes=LANES)
    return values, ids, tables, np.frombuffer(record, np.uint16)


def decode(words, ids, tables):
    """The status of a record of one segment, by its rule, and its values."""
    sample = Sample(tables.slots, words, 8, 8, LANES)
    if rans.is_too_short(sample):
        return rans.FAULTS[rans.TOO_SHORT][0], None
    stream, next_word = rans.open_record(sample)
    values, next_word = rans.decode_symbols(stream, ids, next_word)
    status = rans.record_fault(stream, next_word)
    return rans.FAULTS[status][0] if status else "", values


def test_values_come_back_and_nothing_is_wrong(coded):
    values, ids, tables, words = coded
    fault, decoded = decode(words, ids, tables)
    assert fault == ""
    np.testing.assert_array_equal(decoded, values)


def test_each_fault_is_named(coded):
    _, ids, tables, words = coded
    assert decode(words[: 2 * LANES - 1], ids, tables)[0] == "RECORD-LENGTH"
    assert decode(words[:-1], ids, tables)[0] == "RECORD-SYMBOLS"
    assert decode(np.append(words, words[-1:]), ids, tables)[0] == "RECORD-SYMBOLS"
    other_end = words.copy()
    other_end[-1] ^= 0x8000
    assert decode(other_end, ids, tables)[0] == "RECORD-STATE"
