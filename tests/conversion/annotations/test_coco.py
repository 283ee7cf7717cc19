import json

import pytest

from inrformat.conversion.annotations.coco import read_coco
from inrformat.errors import SourceError

IMAGE = {"id": 1, "file_name": "a.png", "width": 40, "height": 20}
CAT = {"id": 1, "name": "cat"}


def entry(**changes):
    return {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4]} | changes


@pytest.fixture
def write(tmp_path):
    def write(name="x.json", *, images=(IMAGE,), categories=(CAT,), annotations=()):
        stored = {"categories": [*categories], "images": [*images], "annotations": [*annotations]}
        (tmp_path / name).write_text(json.dumps(stored))
        return tmp_path / name

    return write


def test_classes_keep_their_names_whatever_categories_further_files_add(write):
    first = write("1.json", categories=[{"id": 9, "name": "z"}, CAT], annotations=[entry(category_id=9), entry(id=2)])
    second = write("2.json", categories=[{"id": 4, "name": "dog"}], annotations=[entry(id=3, category_id=4)])
    for files in ([first, second], [second, first]):
        found = read_coco(files)
        assert found.classes == ("cat", "dog", "z")
        assert sorted(found.classes[i.label] for i in found.by_path["a.png"].instances) == ["cat", "dog", "z"]


def test_keypoints_of_another_file_come_to_the_object_they_are_of(write):
    objects = write("1.json", annotations=[entry(), entry(id=2, bbox=[1, 1, 2, 2])])
    poses = write("2.json", annotations=[entry(keypoints=[10, 10, 2]), entry(id=7)])
    first, second, third = read_coco([objects, poses]).by_path["a.png"].instances
    assert first.keypoints == ((0.25, 0.5, 2),) and not second.keypoints and not third.keypoints


def test_equal_objects_of_one_file_stay_two(write):
    assert len(read_coco([write(annotations=[entry(), entry()])]).by_path["a.png"].instances) == 2


def test_an_image_that_is_listed_twice_is_one(write):
    file = write(images=[IMAGE, IMAGE | {"id": 2}], annotations=[entry(), entry(image_id=2)])
    assert len(read_coco([file]).by_path["a.png"].instances) == 2


def test_captions_are_of_one_line(write):
    file = write(annotations=[{"image_id": 1, "caption": "a cat,\nasleep "}, {"image_id": 1, "caption": "fur"}])
    assert read_coco([file]).by_path["a.png"].captions == ("a cat, asleep", "fur")


def test_what_is_not_kept_of_keypoints_is_said(write):
    file = write(categories=[CAT | {"keypoints": ["nose", "tail"]}])
    assert read_coco([file]).remarks == (f"{file}: the names of 2 keypoints are not kept",)


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"images": [IMAGE, IMAGE | {"file_name": "b.png"}]}, r"image 1: both a\.png and b\.png have this id"),
        ({"images": [IMAGE, IMAGE | {"id": 2, "width": 41}]}, r"image 2: a\.png is 41 x 20 px here, 40 x 20 elsewhere"),
        ({"images": [IMAGE | {"width": 0}]}, r"image 1: a\.png is 0 x 20 px"),
        ({"images": [{"id": 1}]}, "image 1: no 'file_name'"),
        ({"categories": [CAT, {"id": 2, "name": "cat"}]}, "two categories have the same name"),
        ({"categories": [CAT, {"id": 1, "name": "dog"}]}, "category 1: named dog here and cat elsewhere"),
        ({"categories": [{"id": [1], "name": "dog"}]}, r"category \[1\]: its id is neither"),
        ({"annotations": [entry(image_id=5)]}, "annotation 1: no 5"),
        ({"annotations": [entry(category_id=5)]}, "annotation 1: no 5"),
        ({"annotations": [entry(bbox=[0, 0, float("nan"), 1])]}, "annotation 1: a number that is not finite"),
        ({"annotations": [entry(bbox=[0, 0, 10**400, 1])]}, "annotation 1: .*too large"),
        ({"annotations": [entry(bbox=[0, 0, 1])]}, "annotation 1: not enough values"),
        ({"annotations": [entry(segmentation=[[0, 0, 1]])]}, "annotation 1: "),
        (
            {"annotations": [entry(segments_info=[])]},
            "annotation 1: panoptic segments lie in pictures .* convert .* --masks",
        ),
    ],
)
def test_contradictions_are_named_with_their_place(write, changes, message):
    with pytest.raises(SourceError, match=rf"x\.json: {message}"):
        read_coco([write(**changes)])


@pytest.mark.parametrize("text", ["", "{", "3", "{}", "[" * 100_000, '{"images": [3], "annotations": []}', "\x00"])
def test_what_is_no_coco_file_is_named(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SourceError, match=r"x\.json: .*expected a COCO annotation file"):
        read_coco([tmp_path / "x.json"])
