"""No image gets the targets of another, and what is unclear is refused by name."""

import pytest
from hypothesis import given, strategies as st

from inrformat.conversion.annotations.matching import match
from inrformat.errors import SourceError


def matched(images, annotations, *, own_suffixes=False):
    return match(images, annotations, own_suffixes=own_suffixes, place="boxes.json").of_image


def test_the_same_name_in_two_folders_is_two_images():
    images = ["a/0001.jpg", "b/0001.jpg"]
    assert matched(images, ["b/0001.jpg", "a/0001.jpg"]) == (1, 0)
    assert matched(images, ["train2017/b/0001.jpg", "train2017/a/0001.jpg"]) == (1, 0)
    assert matched(["x/a/0001.jpg", "x/b/0001.jpg"], ["a/0001.jpg", "b/0001.jpg"]) == (0, 1)


@pytest.mark.parametrize(
    "images,annotations,message",
    [
        (["a/1.jpg", "b/1.jpg"], ["1.txt"], r"1\.txt may belong to a/1\.jpg and b/1\.jpg; name"),
        (["1.jpg", "1.png"], ["1.txt"], r"1\.txt may belong to 1\.jpg and 1\.png"),
        (["1.jpg"], ["1.txt", "x/1.txt"], r"both 1\.txt and x/1\.txt may belong to 1\.jpg"),
    ],
)
def test_what_is_unclear_is_refused_by_name(images, annotations, message):
    with pytest.raises(SourceError, match=rf"boxes\.json: .*{message}"):
        matched(images, annotations, own_suffixes=True)


def test_a_suffix_tells_images_apart_unless_it_is_the_annotation_s_own():
    assert matched(["1.jpg", "1.png"], ["1.png"]) == (None, 0)
    assert matched(["1.webp"], ["1.jpg"]) == (0,)  # saved anew
    with pytest.raises(SourceError):
        matched(["1.jpg", "1.png"], ["1.png"], own_suffixes=True)


def test_a_bare_name_decides_where_it_occurs_once():
    assert matched(["new/1.jpg", "new/2.jpg"], ["old/2.jpg"]) == (None, 0)
    found = match(["new/1.jpg"], ["old/1.jpg", "older/1.jpg"], own_suffixes=False, place="x")
    assert found.of_image == (None,) and found.absent == (0, 1)


def test_dots_in_names_are_no_suffixes():
    assert matched(["a.v1.jpg", "a.v2.jpg"], ["a.v2.txt", "a.v1.txt"], own_suffixes=True) == (1, 0)


_PART = st.sampled_from("ab")
_PATH = st.builds(lambda folders, name: "/".join([*folders, name]), st.lists(_PART, max_size=3), st.sampled_from("123"))


@given(paths=st.lists(_PATH, min_size=1, max_size=8, unique=True), data=st.data())
def test_no_image_gets_the_targets_of_another(paths, data):
    images = [f"{path}.jpg" for path in paths]
    chosen = data.draw(st.lists(st.sampled_from(paths), unique=True))
    front = data.draw(st.sampled_from(["", "set/", "set/train/"]))
    cut = data.draw(st.integers(0, 1)) if not front else 0
    annotations = [f"{front}{'/'.join(path.split('/')[min(cut, path.count('/')) :])}.txt" for path in chosen]
    try:
        found = matched(images, annotations, own_suffixes=True)
    except SourceError:
        return  # refused: nothing was mixed up
    if len(set(annotations)) == len(annotations):
        for image, number in zip(paths, found, strict=True):
            if number is not None:
                stripped = annotations[number].removesuffix(".txt").removeprefix(front)
                assert image == stripped or image.endswith(f"/{stripped}") or paths.count(image) == 1
                assert cut or front or image == chosen[number]


@given(paths=st.lists(_PATH, min_size=1, max_size=8, unique=True), data=st.data())
def test_equal_paths_always_find_each_other_in_any_order(paths, data):
    order = data.draw(st.permutations(range(len(paths))))
    found = matched([f"{path}.jpg" for path in paths], [f"{paths[k]}.txt" for k in order], own_suffixes=True)
    assert [order[number] for number in found if number is not None] == list(range(len(paths)))
