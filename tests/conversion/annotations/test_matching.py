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
        (["a/1.jpg", "b/1.jpg"], ["1.txt"], r"1\.txt may belong to a/1\.jpg or to b/1\.jpg; give both"),
        (["1.jpg", "1.png"], ["1.txt"], r"1\.txt may belong to 1\.jpg or to 1\.png"),
        (["1.jpg"], ["val/1.txt", "train/1.txt"], r"1\.jpg may belong to train/1\.txt or to val/1\.txt"),
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


def test_a_suffix_decides_only_between_equal_paths():
    assert matched(["a/1.png", "1.jpg"], ["a/1.jpg"]) == (0, None)
    assert matched(["1.jpg", "1.png"], ["1.png", "1.webp"]) == (1, 0)
    with pytest.raises(SourceError, match=r"1\.webp may belong to"):
        matched(["1.jpg", "1.png"], ["1.webp"])


def test_an_equal_path_leaves_the_others_to_others():
    assert matched(["1.jpg", "a/1.jpg"], ["1.jpg"]) == (0, None)
    assert matched(["1.jpg"], ["1.jpg", "a/1.jpg"]) == (0,)
    assert matched(["1.jpg", "x/a/1.jpg"], ["a/1.jpg", "train/1.jpg"]) == (1, 0)


def test_bare_names_decide_where_no_folder_is_the_same():
    found = match(["new/1.jpg", "new/2.jpg"], ["old/2.jpg"], own_suffixes=False, place="x")
    assert found.of_image == (None, 0) and found.by_name_alone
    found = match(["new/1.jpg"], ["old/1.jpg", "older/1.jpg"], own_suffixes=False, place="x")
    assert found.of_image == (None,) and found.absent == (0, 1)


def test_bare_names_decide_nothing_where_folders_are_the_same():
    found = match(["train/1.jpg", "train/2.jpg"], ["val/1.jpg", "train/2.jpg"], own_suffixes=False, place="x")
    assert found.of_image == (None, 1) and found.absent == (0,) and not found.by_name_alone


def test_paths_may_have_been_written_on_windows():
    assert matched(["a/1.jpg", "b/1.jpg"], ["set\\b\\1.jpg", "set\\a\\1.jpg"]) == (1, 0)


def test_many_images_of_one_file_name_are_told_apart():
    numbers = range(20_000)
    found = matched([f"{k}/image.jpg" for k in numbers], [f"set/{k}/image.png" for k in numbers], own_suffixes=True)
    assert found == tuple(numbers)


def test_dots_in_names_are_no_suffixes():
    assert matched(["a.v1.jpg", "a.v2.jpg"], ["a.v2.txt", "a.v1.txt"], own_suffixes=True) == (1, 0)


_PART = st.sampled_from("ab")
_PATH = st.builds(lambda folders, name: "/".join([*folders, name]), st.lists(_PART, max_size=3), st.sampled_from("123"))


_FRONT = ("data", "set", "train")


@given(data=st.data(), depth=st.integers(1, 3))
def test_no_image_gets_the_targets_of_another(data, depth):
    """Whichever images and annotations there are, and however many of the common folders their paths begin with."""
    pictures = data.draw(st.lists(st.tuples(*[_PART] * depth), min_size=1, max_size=8, unique=True))
    some = st.lists(st.sampled_from(pictures), unique=True)
    of_images, of_annotations = data.draw(some), data.draw(some)
    images, annotations = (
        ["/".join([*_FRONT[data.draw(st.integers(0, 3)) :], *picture]) for picture in chosen]
        for chosen in (of_images, of_annotations)
    )
    found = match([f"{i}.jpg" for i in images], [f"{a}.txt" for a in annotations], own_suffixes=True, place="x")
    if found.by_name_alone:  # which the user is told
        assert set(of_images).isdisjoint(of_annotations)
    else:
        expected = [of_annotations.index(picture) if picture in of_annotations else None for picture in of_images]
        assert list(found.of_image) == expected


@given(
    images=st.lists(_PATH, max_size=6, unique=True),
    annotations=st.lists(_PATH, max_size=6, unique=True),
    data=st.data(),
)
def test_the_order_of_images_and_annotations_makes_no_difference(images, annotations, data):
    def pairs(images, annotations):
        try:
            found = matched([f"{i}.jpg" for i in images], annotations)
        except SourceError:
            return "refused"
        return {(image, annotations[number]) for image, number in zip(images, found, strict=True) if number is not None}

    shuffled = data.draw(st.permutations(images)), data.draw(st.permutations(annotations))
    assert pairs(images, annotations) == pairs(*shuffled)


@given(paths=st.lists(_PATH, min_size=1, max_size=8, unique=True), data=st.data())
def test_equal_paths_always_find_each_other_in_any_order(paths, data):
    order = data.draw(st.permutations(range(len(paths))))
    found = matched([f"{path}.jpg" for path in paths], [f"{paths[k]}.txt" for k in order], own_suffixes=True)
    assert [order[number] for number in found if number is not None] == list(range(len(paths)))
