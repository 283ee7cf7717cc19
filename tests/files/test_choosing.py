"""Subsets and splits: every image once at most, records as they were."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from inrformat import InrdReader
from inrformat.errors import OutputExistsError, UsageError
from inrformat.files.choosing import Choice, split, subset
from tests.files.conftest import column, decoded_of, is_valid


@pytest.mark.parametrize(
    "choice,expected",
    [
        (Choice(classes=["coffee"]), range(6, 12)),
        (Choice(names=["coffee/tile_1.png", "astronaut/tile_0.png"]), [0, 7]),
        (Choice(numbers=[3, -1, 3]), [3, 11]),
        (Choice(numbers=slice(None, None, 5)), [0, 5, 10]),
        (Choice(classes=["coffee"], numbers=slice(0, 8)), [6, 7]),
    ],
)
def test_a_subset_holds_the_chosen_records(whole_file, tmp_path, choice, expected):
    assert subset(whole_file, tmp_path / "s.inrd", choice).tolist() == list(expected)
    with InrdReader(tmp_path / "s.inrd") as chosen, InrdReader(whole_file) as whole:
        assert chosen.records(range(len(chosen))) == whole.records(expected)
        assert chosen.metadata.classes == whole.metadata.classes
    names = column(whole_file, "name")
    assert column(tmp_path / "s.inrd", "name") == [names[k] for k in expected]
    assert is_valid(tmp_path / "s.inrd")


def test_a_sample_is_the_same_for_a_seed_and_quality_is_a_condition(whole_file, tmp_path):
    with InrdReader(whole_file) as reader:
        psnr_db = np.asarray(reader.index.psnr_db)
        floor = float(np.sort(psnr_db)[4])
        assert Choice(min_psnr_db=floor).rows(reader).tolist() == np.flatnonzero(psnr_db >= floor).tolist()
        one, same, other = (Choice(sample=5, seed=s).rows(reader).tolist() for s in (1, 1, 2))
        assert one == same != other and one == sorted(set(one))


@pytest.mark.parametrize(
    "choice,message",
    [
        (Choice(classes=["dog"]), "no class 'dog' among astronaut, coffee"),
        (Choice(names=["x"]), "no image named 'x'"),
        (Choice(numbers=[12]), "no image 12 of 12"),
        (Choice(min_psnr_db=99), "no image is left"),
        (Choice(sample=13), "a sample of 13 out of 12"),
    ],
)
def test_what_is_not_there_is_named(whole_file, tmp_path, choice, message):
    with pytest.raises(UsageError, match=message):
        subset(whole_file, tmp_path / "s.inrd", choice)
    assert not any(tmp_path.iterdir())


@settings(deadline=None, max_examples=15)
@given(parts=st.integers(1, 6), seed=st.none() | st.integers(0, 5), stratified=st.booleans())
def test_every_image_is_in_one_part(whole_file, tmp_path_factory, parts, seed, stratified):
    folder = tmp_path_factory.mktemp("parts")
    shares = {f"p{k}": 1 / parts for k in range(parts)}
    rows_of = split(whole_file, folder, shares=shares, stratified=stratified, seed=seed)
    all_names = column(whole_file, "name")
    for part, rows in rows_of.items():
        assert column(folder / f"{part}.inrd", "name") == [all_names[row] for row in rows.tolist()]
    assert sorted(np.concatenate([*rows_of.values()]).tolist()) == list(range(12))
    if stratified:
        labels = [column(folder / f"{part}.inrd", "label") for part in rows_of]
        assert all(abs(found.count(0) - found.count(1)) <= 1 for found in labels)


def test_parts_decode_as_before(whole_file, tmp_path):
    split(whole_file, tmp_path / "p", shares={"train": 0.75, "val": 0.25}, stratified=True, seed=0)
    whole = decoded_of(whole_file)
    for part in ("train", "val"):
        for name, pixels in decoded_of(tmp_path / "p" / f"{part}.inrd").items():
            assert np.array_equal(pixels, whole[name])


def test_unusable_shares_and_existing_parts_are_refused(whole_file, tmp_path):
    for shares in ({}, {"a": 0.0}, {"a": 0.8, "b": 0.3}, {"a": float("nan"), "b": 0.5}):
        with pytest.raises(UsageError, match="shares"):
            split(whole_file, tmp_path, shares=shares)
    with pytest.raises(UsageError, match="part 'b' would be empty"):
        split(whole_file, tmp_path, shares={"a": 0.9, "b": 0.01})
    (tmp_path / "a.inrd").write_text("mine")
    with pytest.raises(OutputExistsError):
        split(whole_file, tmp_path, shares={"b": 0.5, "a": 0.5})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.inrd"]


@pytest.mark.parametrize("name", ["", "../a", "a/b", ".hidden", "..", "a\\b"])
def test_parts_never_lie_outside_their_folder(whole_file, tmp_path, name):
    with pytest.raises(UsageError, match="without folders"):
        split(whole_file, tmp_path / "parts", shares={"b": 0.5, name: 0.5})
    assert not any(tmp_path.iterdir())


def test_a_split_that_is_interrupted_leaves_nothing_behind(whole_file, tmp_path):
    def stop(_count):
        if (tmp_path / "parts" / "a.inrd").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        split(whole_file, tmp_path / "parts", shares={"a": 0.5, "b": 0.5}, on_records=stop)
    assert not any(tmp_path.iterdir())
