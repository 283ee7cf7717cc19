import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from inrformat.coding.tables import SLOT_DETAILS, SymbolTable, TableSet, normalize_counts
from inrformat.errors import InvalidFileError, UsageError

symbols = hnp.arrays(np.int64, st.integers(0, 300), elements=st.integers(-(1 << 15), (1 << 15) - 1))


@given(hnp.arrays(np.int64, st.integers(1, 500), elements=st.integers(0, 10**6)).filter(lambda c: c.any()))
def test_normalized_counts_sum_to_4096_and_keep_every_present_token(counts):
    freqs = normalize_counts(counts)
    assert freqs.sum() == 4096
    assert ((freqs > 0) == (counts > 0)).all()


@given(symbols, st.booleans())
def test_a_table_can_code_every_value_it_was_made_from(values, complete):
    table = SymbolTable.from_values(values, complete=complete)
    assert np.isfinite(table.cost_bits(values)).all()


@given(symbols, symbols)
def test_a_table_from_a_sample_can_code_values_the_sample_did_not_hold(sample, others):
    table = SymbolTable.from_values(sample, complete=False)
    assert np.isfinite(table.cost_bits(others)).all()


@given(symbols)
def test_a_table_survives_storage(values):
    table = SymbolTable.from_values(values)
    again = SymbolTable.from_map(table.to_map())
    assert (again.lowest, again.low_bits, again.freqs.tolist()) == (table.lowest, table.low_bits, table.freqs.tolist())


def test_a_table_comes_close_to_the_entropy_of_its_values():
    values = np.round(np.random.default_rng(0).laplace(scale=3, size=20000)).astype(int)
    _, counts = np.unique(values, return_counts=True)
    entropy = -(counts * np.log2(counts / counts.sum())).sum()
    assert SymbolTable.from_values(values).cost_bits(values).sum() < 1.01 * entropy


def test_an_outlier_is_escaped_instead_of_stretching_the_table():
    values = np.append(np.random.default_rng(0).integers(-5, 6, 20000), 30000)
    table = SymbolTable.from_values(values)
    assert len(table.freqs) < 20
    assert table.low_bits == 0


def test_values_beyond_16_bits_are_refused_with_the_remedy():
    with pytest.raises(UsageError, match="coarser"):
        SymbolTable.from_values(np.array([1 << 15]))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"freqs": b"\x00\x10"}, "TABLE-SIZE"),
        ({"freqs": b"\x00\x10\x01\x00"}, "TABLE-SUM"),
        ({"freqs": b"\x00\x10\x01"}, "TABLE-SIZE"),
        ({"low_bits": 13}, "TABLE-LOW-BITS"),
        ({"lowest": 1 << 15}, "TABLE-RANGE"),
        ({"lowest": 1 << 40}, "TABLE-SIZE"),
        ({"extra": 1}, "TABLE-FORM"),
        ({"lowest": "0"}, "TABLE-FORM"),
    ],
)
def test_a_malformed_table_is_refused_by_name(change, rule):
    good = {"freqs": b"\x00\x08\x00\x08", "low_bits": 0, "lowest": 0}
    SymbolTable.from_map(good)
    with pytest.raises(InvalidFileError) as caught:
        SymbolTable.from_map({**good, **change})
    assert caught.value.rule == rule


def test_a_table_set_gives_every_slot_to_the_token_that_owns_it():
    tables = TableSet.of(
        [SymbolTable(0, 0, np.array([4000, 96, 0], np.uint16)), SymbolTable(-1, 0, np.array([1, 4095]))]
    )
    assert tables.token_at[0].tolist() == [0] * 4000 + [1] * 96
    assert tables.token_at[1].tolist() == [0] + [1] * 4095


def test_a_slot_tells_value_and_share_and_sends_on_where_eight_bits_are_too_few():
    few, many = SymbolTable(-3, 0, np.array([4000, 95, 1], np.uint16)), SymbolTable(300, 2, np.array([4096, 0]))
    short, details = TableSet.of([few, many]).slots
    slot = short[0, 4050]
    value = int(np.int8(slot & np.uint32(0xFF)))
    assert (int(slot) >> 20, int(slot) >> 8 & 0xFFF, value) == (50, 94, -2)
    assert np.int8(short[0, 4095] & 0xFF) == SLOT_DETAILS
    assert int(details[0, 4095]) >> 16 == 16
    assert np.int8(short[1, 7] & 0xFF) == SLOT_DETAILS and details[1, 7] == 2 << 16 | 300
