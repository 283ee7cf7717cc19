import numpy as np
import pytest
from hypothesis import given, strategies as st

from inrformat.container.fields import FieldType, decode_field, encode_field
from inrformat.errors import InvalidFileError, UsageError

int64 = st.integers(-(1 << 63), (1 << 63) - 1)
float64 = st.floats(allow_nan=False)
VALUES = {
    FieldType.INT64: int64,
    FieldType.FLOAT64: float64,
    FieldType.UTF8: st.text(),
    FieldType.BYTES: st.binary(),
    FieldType.INT64_LIST: st.lists(int64, max_size=5),
    FieldType.FLOAT64_LIST: st.lists(float64, max_size=5),
}


@pytest.mark.parametrize("kind", list(FieldType))
@given(data=st.data())
def test_every_type_comes_back_as_it_went_in(kind, data):
    values = data.draw(st.lists(VALUES[kind], max_size=20))
    typed = np.array(values, np.int64 if kind == FieldType.INT64 else np.float64) if kind[-2:] == "64" else values
    column = decode_field("f", kind, encode_field(kind, typed), count=len(values))
    assert len(column) == len(values)
    assert [v.tolist() if isinstance(v, np.ndarray) else v for v in column] == values


def test_variable_columns_index_like_sequences():
    column = decode_field("f", FieldType.UTF8, encode_field(FieldType.UTF8, ["a", "", "ccc"]), count=3)
    assert (column[-1], column[0:2], list(column)) == ("ccc", ["a", ""], ["a", "", "ccc"])
    with pytest.raises(IndexError):
        column[3]


@pytest.mark.parametrize("kind", list(FieldType))
def test_sizes_that_do_not_add_up_are_refused(kind):
    good = encode_field(
        kind,
        np.array([1, 2])
        if kind == FieldType.INT64
        else np.array([1.0, 2.0])
        if kind == FieldType.FLOAT64
        else [[1], [2]],
    )
    for bad in (good[:-1], good + b"\0", b""):
        with pytest.raises(InvalidFileError, match="FIELD-SIZE"):
            decode_field("f", kind, bad, count=2)


def test_text_that_is_not_utf8_is_refused():
    with pytest.raises(InvalidFileError, match="FIELD-UTF8"):
        decode_field("f", FieldType.UTF8, b"\1\0\0\0\xff", count=1)


def test_values_of_another_kind_are_refused():
    with pytest.raises(UsageError):
        encode_field(FieldType.INT64, np.array([0.5]))
