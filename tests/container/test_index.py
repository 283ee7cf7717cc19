import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from inrformat.container.index import parse_index, psnr_to_units, serialize_index
from inrformat.container.layout import INDEX_COLUMN, INDEX_HEADER, MAX_SIDE, Column
from inrformat.container.limits import DEFAULT_LIMITS, Limits
from inrformat.errors import InvalidFileError, LimitError, UnsupportedVersionError


def columns_for(count, seed=0, **fixed):
    rng = np.random.default_rng(seed)
    values = {
        Column.LENGTH_BYTES: rng.integers(200, 500, count),
        Column.HEIGHT: np.full(count, 32),
        Column.WIDTH: np.full(count, 48),
        Column.NETWORK: np.zeros(count, int),
        Column.CRC32C: rng.integers(0, 1 << 32, count),
        Column.PSNR: rng.integers(2500, 4000, count),
    }
    return {**values, **fixed}


def parse(columns, count, *, data=None, limits=DEFAULT_LIMITS, alignment=4):
    strides = -(-columns[Column.LENGTH_BYTES] // alignment) * alignment
    return parse_index(
        serialize_index(columns, record_count=count) if data is None else data,
        record_count=count,
        record_alignment=alignment,
        payload_bytes=int(strides.sum()),
        limits=limits,
    )


@given(st.integers(0, 50), st.integers(0, 1 << 32), st.sampled_from([4, 16]))
def test_columns_come_back_and_offsets_are_the_running_sum(count, seed, alignment):
    columns = columns_for(count, seed)
    index = parse(columns, count, alignment=alignment)
    assert index.lengths_bytes.tolist() == columns[Column.LENGTH_BYTES].tolist()
    assert index.crcs.tolist() == columns[Column.CRC32C].tolist()
    assert (index.psnr_db * 100).round().astype(int).tolist() == columns[Column.PSNR].tolist()
    ends = np.append(0, np.cumsum(-(-index.lengths_bytes // alignment) * alignment))
    assert index.offsets_bytes.tolist() == ends[:-1].tolist()


@given(hnp.arrays(np.int64, st.integers(1, 30), elements=st.integers(0, (1 << 62) - 1)))
def test_ancillary_columns_of_any_values_are_skipped(values):
    columns = {**columns_for(len(values)), 0x8001: values}
    assert len(parse(columns, len(values))) == len(values)


def test_a_cifar_sized_index_takes_under_eight_bytes_a_record():
    columns = columns_for(1000, **{})
    columns[Column.LENGTH_BYTES] = columns[Column.LENGTH_BYTES] // 2 * 2
    assert len(serialize_index(columns, record_count=1000)) < 8 * 1000


def test_an_unknown_column_that_matters_is_refused():
    with pytest.raises(UnsupportedVersionError, match="column 900"):
        parse({**columns_for(3), 900: np.zeros(3, int)}, 3)


def test_every_truncation_is_refused():
    columns = columns_for(5)
    data = serialize_index(columns, record_count=5)
    for size in range(len(data)):
        with pytest.raises(InvalidFileError):
            parse(columns, 5, data=data[:size])


@pytest.mark.parametrize(
    ("column", "value", "error"),
    [
        (Column.HEIGHT, 0, InvalidFileError),
        (Column.LENGTH_BYTES, 1 << 40, LimitError),
        (Column.HEIGHT, MAX_SIDE + 1, InvalidFileError),
        (Column.WIDTH, 1 << 40, InvalidFileError),
        (Column.WIDTH, (1 << 63) - 1, InvalidFileError),
        (Column.NETWORK, 256, InvalidFileError),
        (Column.CRC32C, 1 << 32, InvalidFileError),
    ],
)
def test_values_out_of_range_are_refused(column, value, error):
    with pytest.raises(error):
        parse({**columns_for(3), column: np.array([value] * 3)}, 3)


def test_the_record_limit_is_the_readers_choice():
    columns = columns_for(3)
    with pytest.raises(LimitError):
        parse(columns, 3, limits=Limits(max_pixels=32 * 48 - 1))
    parse(columns, 3, limits=Limits(max_pixels=32 * 48))


@pytest.mark.parametrize(("psnr", "units"), [(30.126, 3013), (1e9, 10000), (float("inf"), 10000), (-3, 0)])
def test_psnr_is_stored_in_hundredths_up_to_100_db(psnr, units):
    assert psnr_to_units(psnr) == units


def test_an_index_of_all_different_rows_takes_28_bytes_a_record_in_memory():
    count = 1000
    sides = np.arange(1, count + 1)
    index = parse({**columns_for(count), Column.HEIGHT: sides, Column.WIDTH: sides}, count)
    assert sum(array.nbytes for array in vars(index).values() if array.strides != (0,)) <= 28 * count


def test_the_largest_images_and_records_do_not_wrap_around():
    lengths, sides = np.array([(1 << 28) - 4, 1 << 28, 1 << 33]), np.array([MAX_SIDE, MAX_SIDE, 1])
    columns = {**columns_for(3), Column.LENGTH_BYTES: lengths, Column.HEIGHT: sides, Column.WIDTH: sides}
    index = parse(columns, 3, limits=Limits(max_record_bytes=1 << 40))
    assert (8 * index.lengths_bytes).tolist() == (8 * lengths).tolist()
    assert (index.heights * index.widths).tolist() == (sides * sides).tolist()
    assert index.offsets_bytes.tolist() == [0, lengths[0], lengths[0] + lengths[1]]


def test_the_scale_of_entries_that_are_all_zero_does_not_matter():
    columns, data = columns_for(3), bytearray(serialize_index(columns_for(3), record_count=3))
    at = INDEX_HEADER.size + sorted(columns).index(Column.HEIGHT) * INDEX_COLUMN.size
    number, width, _, base = INDEX_COLUMN.unpack_from(data, at)
    INDEX_COLUMN.pack_into(data, at, number, width, (1 << 32) - 1, base)
    assert parse(columns, 3, data=bytes(data)).heights.tolist() == [32] * 3


def test_shapes_are_network_height_and_width():
    columns = {**columns_for(3), Column.NETWORK: np.array([2, 0, 1])}
    shapes = parse(columns, 3).shapes([2, 0])
    assert shapes.tolist() == [[1, 32, 48], [2, 32, 48]] and shapes.dtype == np.int64
