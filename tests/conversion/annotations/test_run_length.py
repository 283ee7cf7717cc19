"""COCO's run-length masks, lists and strings, against an encoder written from maskApi.c and against known strings."""

import contextlib

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays

from inrformat.conversion.annotations.run_length import read_run_length_mask

MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40))


def counts_of(mask):
    """Lengths of runs down the columns, outside first."""
    flat = mask.ravel(order="F")
    stops = [*(np.flatnonzero(flat[1:] != flat[:-1]) + 1).tolist(), flat.size]
    return ([0] if flat[0] else []) + np.diff([0, *stops]).tolist()


def string_of(counts):
    """``rleToString`` of maskApi.c."""
    text = ""
    for number, count in enumerate(counts):
        x, more = count - (counts[number - 2] if number > 2 else 0), True
        while more:
            c = x & 0x1F
            x >>= 5
            more = x != -1 if c & 0x10 else x != 0
            text += chr(48 + (c | 0x20 if more else c))
    return text


def runs_of(mask):
    height, width = mask.shape
    return read_run_length_mask({"size": [height, width], "counts": counts_of(mask)}, height=height, width=width)


def decoded(counts, height, width):
    return read_run_length_mask({"size": [height, width], "counts": counts}, height=height, width=width).mask(
        height, width
    )


@given(MASKS)
def test_lists_and_strings_of_runs_give_back_the_mask(mask):
    assert np.array_equal(decoded(counts_of(mask), *mask.shape), mask)
    assert np.array_equal(decoded(string_of(counts_of(mask)), *mask.shape), mask)


def test_long_runs_and_strings_as_pycocotools_writes_them_are_read():
    mask = np.zeros((1200, 900), np.bool_)
    mask[100:1100, 200:800:7] = True
    assert np.array_equal(decoded(string_of(counts_of(mask)), *mask.shape), mask)
    assert decoded("52202", 5, 3).T.tolist() == [
        [False] * 5,
        [True, True, False, False, True],
        [True, False, False, False, False],
    ]


@given(MASKS, st.sampled_from([1, 2, 3, 5]), st.sampled_from([1, 3, 5]))
def test_another_size_takes_the_nearest_pixels(mask, larger, smaller):
    found = runs_of(mask)
    height, width = (larger * side for side in mask.shape)
    assert np.array_equal(found.mask(height, width), np.kron(mask, np.ones((larger, larger))))
    rows, columns = mask.shape[0] // smaller * smaller, mask.shape[1] // smaller * smaller
    if rows and columns:
        part = mask[:rows, :columns]
        found = runs_of(part)
        centre = smaller // 2
        assert np.array_equal(found.mask(rows // smaller, columns // smaller), part[centre::smaller, centre::smaller])


@pytest.mark.parametrize(
    "wrong,message",
    [
        ({"counts": [3, 4]}, "sum to 7, not to its 12 pixels"),
        ({"counts": []}, "sum to 0"),
        ({"counts": [13, -1]}, "from 0 on"),
        ({"counts": [6.0, 6.0]}, "from 0 on"),
        ({"counts": None}, "from 0 on"),
        ({"size": [4, 3]}, "is of size"),
        ({"size": None}, "is of size"),
        ({"counts": "6é"}, "character 'é'"),
        ({"counts": "6 6"}, "character ' '"),
        ({"counts": "6P"}, "break off"),
        ({"counts": "P" * 40 + "0"}, "64 bits"),
        ({"counts": "O=0"}, "from 0 on"),
    ],
)
def test_what_is_no_mask_of_the_image_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        read_run_length_mask({"size": [3, 4], "counts": [6, 6], **wrong}, height=3, width=4)


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120)))
def test_any_string_is_a_mask_or_refused(text):
    with contextlib.suppress(ValueError):
        assert decoded(text, 5, 7).shape == (5, 7)


def test_a_claimed_size_is_not_allocated():
    with pytest.raises(ValueError, match="more than"):
        read_run_length_mask({"size": [1 << 20, 1 << 20], "counts": [1 << 40]}, height=1 << 20, width=1 << 20)
