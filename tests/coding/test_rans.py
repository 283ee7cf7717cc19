import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from inrformat.coding import rans_numba
from inrformat.coding.rans import MOST_LANES, STREAM_LANES, RansDecoder, Segment, encode, lanes_for
from inrformat.coding.rans_torch import TorchRansDecoder, TorchTables
from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.errors import InvalidFileError, UsageError

LANES = (1, 2, 4, 8, 16, 32, 64, 96)
CPU = torch.device("cpu")


@st.composite
def cases(draw):
    """Any tables, and a batch of records of up to two leading segments and a body of any 16-bit symbols."""
    tables = []
    for number in range(draw(st.integers(2, 4))):
        counts = draw(hnp.arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 1000)))
        counts[-1] += 1
        freqs = np.maximum(counts * 700 // counts.sum(), counts > 0)
        freqs[-1] += 1024 - freqs.sum()
        low_bits = 0 if number == 0 else draw(st.integers(0, 6))
        tables.append(SymbolTable(draw(st.integers(-30, 10)), low_bits, freqs.astype(np.uint16)))
    batch = draw(st.integers(1, 3))
    coded = st.sampled_from((np.flatnonzero(tables[0].freqs) + tables[0].lowest).tolist())
    leading = [
        Segment(draw(hnp.arrays(np.int64, (batch, count), elements=coded)), np.zeros(count, int))
        for count in draw(st.lists(st.integers(0, 90), max_size=2))
    ]
    values = st.one_of(st.integers(-40, 40), st.integers(-(1 << 15), (1 << 15) - 1))
    shape = (batch, draw(st.integers(0, 250)))
    ids = draw(hnp.arrays(np.int64, shape, elements=st.integers(0, len(tables) - 1)))
    return TableSet.of(tables), leading, Segment(draw(hnp.arrays(np.int64, shape, elements=values)), ids)


def on_device(records, tables, *, lanes):
    lengths = torch.tensor([len(r) for r in records])
    payload = b"".join(records)
    words = torch.from_numpy(np.frombuffer(payload + b"\0" * (len(payload) % 2), "<i2").astype(np.int16))
    return TorchRansDecoder(words, lengths.cumsum(0) - lengths, lengths, TorchTables.of(tables, CPU), lanes=lanes)


@given(cases(), st.sampled_from(LANES))
@settings(max_examples=150, deadline=None)
def test_any_symbols_come_back_exactly_from_all_decoders(case, lanes):
    tables, leading, body = case
    records = encode(leading, body, tables, lanes=lanes)
    reference, resident = RansDecoder(records, tables, lanes=lanes), on_device(records, tables, lanes=lanes)
    for segment in leading:
        assert (reference.decode(segment.table_ids) == segment.values).all()
        assert (resident.decode(segment.table_ids).numpy() == segment.values).all()
    assert (reference.decode_body(body.table_ids) == body.values).all()
    assert (resident.decode_body(body.table_ids).numpy() == body.values).all()
    ends = np.cumsum([*(len(s.table_ids) for s in leading), body.values.shape[1]])
    for row, record in enumerate(records):
        values = np.concatenate([*(s.values[row] for s in leading), body.values[row]]).astype(np.int32)
        ids = np.concatenate([*(s.table_ids for s in leading), body.table_ids[row]]).astype(np.int32)
        assert rans_numba.encode_record(values, ids, ends, tables, lanes=lanes) == record
        compiled = rans_numba.RecordDecoder(record, tables, lanes=lanes)
        for segment in leading:
            assert (compiled.decode(segment.table_ids.astype(np.int32)) == segment.values[row]).all()
        assert (compiled.decode_body(body.table_ids[row].astype(np.int32)) == body.values[row]).all()


def test_records_padded_with_the_null_table_are_decoded_together():
    rng = np.random.default_rng(2)
    null, wide = SymbolTable(0, 0, np.array([1024], np.uint16)), SymbolTable.from_values(np.arange(-300, 301))
    tables, counts = TableSet.of([null, wide]), np.array([70, 30])
    values = rng.integers(-30000, 30000, (2, 70)) * (rng.random((2, 70)) < 0.1)
    records = [
        encode([], Segment(v[None, :n], np.ones(n, int)), tables, lanes=2)[0]
        for v, n in zip(values, counts, strict=True)
    ]
    ids = (np.arange(70) < counts[:, None]).astype(int)
    for decoder in (RansDecoder(records, tables, lanes=2), on_device(records, tables, lanes=2)):
        assert (np.asarray(decoder.decode_body(ids, counts)) == np.where(ids, values, 0)).all()


@pytest.fixture
def laplace():
    values = np.round(np.random.default_rng(1).laplace(scale=40, size=(64, 1146))).astype(int)
    return values, TableSet.of([SymbolTable.from_values(values)])


@pytest.mark.parametrize("lanes", LANES)
def test_a_lane_costs_about_a_byte_where_plain_bits_fill_what_it_ends_with(laplace, lanes):
    values, tables = laplace
    assert tables.low_bits[0] * values.shape[1] > 16 * lanes
    records = encode([], Segment(values, np.zeros(values.shape[1], int)), tables, lanes=lanes)
    ideal_bytes = tables.tables[0].cost_bits(values).sum() / 8 / len(records)
    lengths_bytes = 4 * ((lanes - 1) // STREAM_LANES)
    assert np.mean([len(r) for r in records]) - ideal_bytes < 1.2 * lanes + lengths_bytes + 2


@given(st.integers(0, 10**6))
def test_lanes_are_a_power_of_two_and_then_whole_streams(wanted):
    lanes = lanes_for(wanted)
    assert lanes == max(lanes, 1) <= max(wanted, 1)
    if lanes < STREAM_LANES:
        assert lanes & (lanes - 1) == 0
        assert wanted < 2 * lanes
    else:
        assert lanes % STREAM_LANES == 0
        assert wanted < lanes + STREAM_LANES or lanes == MOST_LANES


def test_a_leading_value_without_a_token_is_refused():
    tables = TableSet.of([SymbolTable(0, 0, np.array([1024], np.uint16))])
    body = Segment(np.zeros((1, 0), int), np.zeros(0, int))
    with pytest.raises(UsageError, match="cannot code the value 1"):
        encode([Segment(np.array([[0, 1]]), np.array([0, 0]))], body, tables, lanes=1)
    with pytest.raises(UsageError, match="cannot code the value 1"):
        rans_numba.encode_record(np.array([0, 1], np.int32), np.zeros(2, np.int32), np.array([2, 2]), tables, lanes=1)


@given(st.sampled_from((2, 64)), st.data())
@settings(deadline=None)
def test_arbitrary_bytes_decode_to_the_same_rubbish_or_the_same_refusal_everywhere(laplace_tables, lanes, data):
    streams = (lanes + 31) // 32
    words = data.draw(st.binary(max_size=200).filter(lambda b: len(b) % 2 == 0))
    states = data.draw(hnp.arrays(np.uint32, lanes, elements=st.integers(0, (1 << 32) - 1)))
    lengths = np.array([data.draw(st.integers(0, 60)) for _ in range(streams - 1)], np.uint32)
    record = states.astype("<u4").tobytes() + lengths.astype("<u4").tobytes() + words
    ids = np.zeros(100, np.int32)
    outcomes: list[tuple[str, object]] = []
    for opened in (
        lambda: RansDecoder([record], laplace_tables, lanes=lanes),
        lambda: on_device([record], laplace_tables, lanes=lanes),
        lambda: rans_numba.RecordDecoder(record, laplace_tables, lanes=lanes),
    ):
        try:
            decoder = opened()
            leading = np.asarray(decoder.decode(ids)).ravel().tolist()
        except InvalidFileError as error:
            outcomes.append((error.rule, None))
            continue
        with pytest.raises(InvalidFileError):
            decoder.decode_body(ids)
        outcomes.append(("", leading))
    assert outcomes[0] == outcomes[1] == outcomes[2]


@pytest.fixture(scope="session")
def laplace_tables():
    values = np.round(np.random.default_rng(1).laplace(scale=10, size=5000)).astype(int)
    return TableSet.of([SymbolTable.from_values(values, complete=False)])


@pytest.mark.parametrize("record", [b"", b"\0" * 6, b"\0" * 9])
def test_a_record_too_short_for_its_lanes_is_refused(laplace_tables, record):
    for open_records in (RansDecoder, on_device):
        with pytest.raises(InvalidFileError, match="RECORD-LENGTH"):
            open_records([record], laplace_tables, lanes=2)


@pytest.mark.parametrize(("number", "patches"), [(5, 1), (2, 1), (0, 6)])
def test_patches_of_symbols_that_do_not_exist_or_out_of_order_are_refused(number, patches):
    tables, ids = TableSet.of([SymbolTable(0, 0, np.array([1024], np.uint16))]), np.zeros(5, np.int32)
    fields = [(1, 1), (patches, 3), (2, 3), (7, 16), (number, 3), (7, 16)]  # the first patch is of symbol 2
    if patches == 1:
        fields = [*fields[:2], *fields[4:]]
    bits = "".join(f"{value:0{width}b}"[::-1] for value, width in fields).ljust(48, "0")
    words = np.packbits(np.array(list(bits), np.uint8), bitorder="little").view("<u2")
    record = (
        np.array([0x10000 + int(words[0])], "<u4").tobytes() + words[1 : -(-sum(w for _, w in fields) // 16)].tobytes()
    )
    for decoder in (
        RansDecoder([record], tables, lanes=1),
        on_device([record], tables, lanes=1),
        rans_numba.RecordDecoder(record, tables, lanes=1),
    ):
        if (number, patches) == (2, 1):
            assert np.asarray(decoder.decode_body(ids)).ravel().tolist() == [0, 0, 7, 0, 0]
            continue
        with pytest.raises(InvalidFileError, match="RECORD-PATCH"):
            decoder.decode_body(ids)


@pytest.mark.parametrize("lanes", [2, 64])
def test_missing_and_extra_words_and_other_ends_are_reported(laplace, lanes):
    values, tables = laplace
    ids = np.zeros(values.shape[1], np.int32)
    (record, *_) = encode([], Segment(values, ids), tables, lanes=lanes)
    other_state = bytearray(record)
    other_state[2] ^= 0x80
    damaged = {"RECORD-SYMBOLS": (record[:-2], record + b"\0\0"), "RECORD": (bytes(other_state),)}
    for rule, records in damaged.items():
        for bad in records:
            for decoder in (
                RansDecoder([bad], tables, lanes=lanes),
                on_device([bad], tables, lanes=lanes),
                rans_numba.RecordDecoder(bad, tables, lanes=lanes),
            ):
                with pytest.raises(InvalidFileError, match=rule):
                    decoder.decode_body(ids)
