import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inrformat.coding import rans
from inrformat.coding.rans_numba import RecordDecoder, encode_record
from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.errors import InvalidFileError


def _tables() -> TableSet:
    rng = np.random.default_rng(3)
    null = SymbolTable(0, 0, np.array([4096, 0], np.uint16))
    return TableSet.of(
        [null, *(SymbolTable.from_values(rng.laplace(0, s, 4000).round(), complete=False) for s in (0.1, 2, 300))]
    )


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from(rans.LANE_CHOICES), st.lists(st.integers(0, 200), min_size=1, max_size=4)
)
def test_compiled_and_numpy_coders_agree_bit_for_bit(seed: int, lanes: int, counts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    tables = _tables()
    ids = [rng.integers(0, 4, n).astype(np.int32) for n in counts]
    scale = np.array([0, 0.3, 3, 2000])
    values = [np.clip(rng.laplace(0, 1, len(t)) * scale[t], -32768, 32767).round().astype(np.int32) for t in ids]
    ends = np.cumsum(counts)
    record = encode_record(np.concatenate(values), np.concatenate(ids), ends, tables, lanes=lanes)
    assert record == rans.encode([(v[None], t) for v, t in zip(values, ids, strict=True)], tables, lanes=lanes)[0]
    decoder = RecordDecoder(record, tables, lanes=lanes)
    for v, t in zip(values, ids, strict=True):
        np.testing.assert_array_equal(decoder.decode(t), v)
    decoder.finish()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(rans.LANE_CHOICES), st.integers(0, 600), st.integers(0, 3))
def test_damaged_words_decode_to_the_same_symbols_as_the_numpy_coder_finds(
    seed: int, lanes: int, kept: int, table: int
) -> None:
    rng = np.random.default_rng(seed)
    ids = np.where(rng.random(400) < 0.1, rng.integers(0, 4, 400), table).astype(np.int32)
    states = rng.integers(rans.LOWER_BOUND, 1 << 32, lanes, dtype=np.uint32)
    record = states.astype("<u4").tobytes() + rng.integers(0, 1 << 16, kept).astype("<u2").tobytes()
    expected = rans.RansDecoder([record], _tables(), lanes=lanes).decode(ids)[0]
    np.testing.assert_array_equal(RecordDecoder(record, _tables(), lanes=lanes).decode(ids), expected)


def test_damaged_record_is_reported_not_read_past_its_end() -> None:
    tables = _tables()
    values, ids = np.arange(300, dtype=np.int32), np.full(300, 3, np.int32)
    record = encode_record(values, ids, np.array([300]), tables, lanes=4)
    decoder = RecordDecoder(record[:-20], tables, lanes=4)
    decoder.decode(ids)
    with pytest.raises(InvalidFileError, match="RECORD"):
        decoder.finish()
    with pytest.raises(InvalidFileError, match="cannot hold"):
        RecordDecoder(record[:15], tables, lanes=4)
