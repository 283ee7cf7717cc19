import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from inrformat.coding.tables import SymbolTable, TableSet, normalize_counts
from inrformat.errors import InvalidFileError, UsageError

symbols = hnp.arrays(np.int64, st.integers(0, 300), elements=st.integers(-(1 << 15), (1 << 15) - 1))


@given(hnp.arrays(np.int64, st.integers(1, 500), elements=st.integers(0, 10**6)).filter(lambda c: c.any()))
def test_normalized_counts_sum_to_1024_and_keep_every_present_token(counts):
    freqs = normalize_counts(counts)
    assert freqs.sum() == 1024
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


def test_an_outlier_is_patched_instead_of_stretching_the_table():
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
        ({"freqs": b""}, "TABLE-SIZE"),
        ({"freqs": b"\x00\x04\x01\x00"}, "TABLE-SUM"),
        ({"freqs": b"\x00\x04\x01"}, "TABLE-SIZE"),
        ({"low_bits": 13}, "TABLE-LOW-BITS"),
        ({"lowest": 2047}, "TABLE-RANGE"),
        ({"lowest": -2049}, "TABLE-RANGE"),
        ({"lowest": 1000, "low_bits": 6}, "TABLE-RANGE"),
        ({"lowest": 1 << 40}, "TABLE-SIZE"),
        ({"extra": 1}, "TABLE-FORM"),
        ({"lowest": "0"}, "TABLE-FORM"),
    ],
)
def test_a_malformed_table_is_refused_by_name(change, rule):
    good = {"freqs": b"\x00\x02\x00\x02", "low_bits": 0, "lowest": 0}
    SymbolTable.from_map(good)
    with pytest.raises(InvalidFileError) as caught:
        SymbolTable.from_map({**good, **change})
    assert caught.value.rule == rule


def test_a_table_set_gives_every_slot_to_the_token_that_owns_it():
    tables = TableSet.of([SymbolTable(0, 0, np.array([1000, 24], np.uint16)), SymbolTable(-1, 0, np.array([1, 1023]))])
    assert tables.token_at[0].tolist() == [0] * 1000 + [1] * 24
    assert tables.token_at[1].tolist() == [0] + [1] * 1023
    assert tables.stand_in.tolist() == [0, 1]


def test_a_slot_tells_its_place_share_and_token():
    (slots,) = TableSet.of([SymbolTable(-3, 0, np.array([1000, 23, 1], np.uint16))]).slots
    slot = int(slots[1010])
    assert (slot >> 22, (slot >> 12 & 1023) + 1, slot & 4095) == (10, 23, 4096 - 2)
