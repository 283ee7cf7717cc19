import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from inrformat.coding.rans import LANE_CHOICES, RansDecoder, encode, lanes_for
from inrformat.coding.rans_torch import TorchRansDecoder, TorchTables
from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.errors import InvalidFileError, UsageError


@st.composite
def tables_and_segments(draw):
    """Any tables that can escape, and a batch of records of one to three segments of any 16-bit symbols."""
    tables = []
    for _ in range(draw(st.integers(1, 4))):
        counts = draw(hnp.arrays(np.int64, st.integers(2, 40), elements=st.integers(0, 1000)))
        counts[-1] += 1
        low_bits = draw(st.integers(0, 6))
        freqs = np.zeros(len(counts), np.int64)
        freqs[:] = np.maximum(counts * 3000 // max(counts.sum(), 1), counts > 0)
        freqs[-1] += 4096 - freqs.sum()
        tables.append(SymbolTable(draw(st.integers(-30, 10)), low_bits, freqs.astype(np.uint16)))
    batch = draw(st.integers(1, 4))
    near = st.integers(-40, 40)
    values = st.one_of(near, st.integers(-(1 << 15), (1 << 15) - 1))
    segments = []
    for _ in range(draw(st.integers(1, 3))):
        count = draw(st.integers(0, 90))
        segments.append(
            (
                draw(hnp.arrays(np.int64, (batch, count), elements=values)),
                draw(hnp.arrays(np.int64, (batch, count), elements=st.integers(0, len(tables) - 1))),
            )
        )
    return TableSet.of(tables), segments


@given(tables_and_segments(), st.sampled_from(LANE_CHOICES))
@settings(max_examples=150, deadline=None)
def test_any_symbols_come_back_exactly_from_both_decoders(case, lanes):
    tables, segments = case
    records = encode(segments, tables, lanes=lanes)
    lengths = torch.tensor([len(r) for r in records])
    words = torch.from_numpy(np.frombuffer(b"".join(records), "<i2").astype(np.int16))
    reference = RansDecoder(records, tables, lanes=lanes)
    resident = TorchRansDecoder(
        words, lengths.cumsum(0) - lengths, lengths, TorchTables.of(tables, torch.device("cpu")), lanes=lanes
    )
    for values, ids in segments:
        assert (reference.decode(ids) == values).all()
        assert (resident.decode(ids).numpy() == values).all()
    reference.finish()
    resident.finish()


@pytest.fixture
def laplace():
    values = np.round(np.random.default_rng(1).laplace(scale=40, size=(64, 573))).astype(int)
    return values, TableSet.of([SymbolTable.from_values(values)])


def test_a_record_is_within_three_percent_of_the_ideal_code_length(laplace):
    values, tables = laplace
    records = encode([(values, np.zeros(573, int))], tables, lanes=lanes_for(573))
    ideal_bytes = tables.tables[0].cost_bits(values).sum() / 8 / len(records)
    assert 300 < ideal_bytes < 600
    assert np.mean([len(r) for r in records]) < 1.03 * ideal_bytes


@pytest.mark.parametrize("lanes", LANE_CHOICES)
def test_a_lane_costs_about_three_bytes(laplace, lanes):
    values, tables = laplace
    records = encode([(values, np.zeros(573, int))], tables, lanes=lanes)
    ideal_bytes = tables.tables[0].cost_bits(values).sum() / 8 / len(records)
    assert np.mean([len(r) for r in records]) - ideal_bytes < 3.3 * lanes + 1


@given(st.integers(0, 10**6))
def test_lanes_are_a_power_of_two_with_256_symbols_each_where_there_are_enough(symbols):
    lanes = lanes_for(symbols)
    assert lanes in LANE_CHOICES
    assert lanes == 1 or symbols >= 256 * lanes
    assert lanes == 32 or symbols < 512 * lanes


def test_a_value_without_code_or_escape_is_refused():
    tables = TableSet.of([SymbolTable(0, 0, np.array([4096, 0], np.uint16))])
    with pytest.raises(UsageError, match="neither code nor escape the value 1"):
        encode([(np.array([[0, 1]]), np.array([0, 0]))], tables, lanes=1)


@given(st.binary(min_size=8, max_size=200).filter(lambda b: len(b) % 2 == 0))
@settings(deadline=None)
def test_arbitrary_bytes_decode_to_the_same_rubbish_or_the_same_refusal_everywhere(laplace_tables, record):
    ids = np.zeros(64, int)
    reference = RansDecoder([record], laplace_tables, lanes=2)
    length = torch.tensor([len(record)])
    words = torch.from_numpy(np.frombuffer(record, "<i2").astype(np.int16))
    device_tables = TorchTables.of(laplace_tables, torch.device("cpu"))
    resident = TorchRansDecoder(words, torch.tensor([0]), length, device_tables, lanes=2)
    assert (reference.decode(ids) == resident.decode(ids).numpy()).all()
    for decoder in (reference, resident):
        with pytest.raises(InvalidFileError):
            decoder.finish()


@pytest.fixture(scope="session")
def laplace_tables():
    values = np.round(np.random.default_rng(1).laplace(scale=40, size=5000)).astype(int)
    return TableSet.of([SymbolTable.from_values(values, complete=False)])


@pytest.mark.parametrize("record", [b"", b"\0" * 6, b"\0" * 9])
def test_a_record_too_short_for_its_lanes_is_refused(laplace_tables, record):
    with pytest.raises(InvalidFileError, match="RECORD-LENGTH"):
        RansDecoder([record], laplace_tables, lanes=2)


def test_missing_and_extra_words_are_reported(laplace):
    values, tables = laplace
    (record, *_) = encode([(values, np.zeros(573, int))], tables, lanes=2)
    for damaged in (record[:-2], record + b"\0\0"):
        decoder = RansDecoder([damaged], tables, lanes=2)
        decoder.decode(np.zeros(573, int))
        with pytest.raises(InvalidFileError, match="RECORD-SYMBOLS"):
            decoder.finish()
