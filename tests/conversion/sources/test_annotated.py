import numpy as np
import pytest
from PIL import Image

from inrformat.conversion.annotations.annotation import Annotation, Instance
from inrformat.conversion.annotations.annotation_set import AnnotationSet
from inrformat.conversion.annotations.masks import read_masks
from inrformat.conversion.sources.annotated import annotated
from inrformat.conversion.sources.folder import scan_folder
from inrformat.errors import SourceError


def boxes(*, classes=("cat",), path="1.png", folder="boxes"):
    by_path = {path: Annotation((Instance(0, (0, 0, 1, 1)),))}
    return AnnotationSet(place=folder, kind="objects", by_path=by_path, own_suffixes=False, classes=classes)


@pytest.fixture
def images(tmp_path, write_image):
    write_image(tmp_path / "images/1.png"), write_image(tmp_path / "images/2.png")
    return scan_folder(tmp_path / "images")


@pytest.fixture
def masks(tmp_path):
    (tmp_path / "masks").mkdir()
    Image.fromarray(np.ones((20, 40), np.uint8)).save(tmp_path / "masks/1.png")
    return tmp_path / "masks"


def test_masks_join_the_boxes_that_a_source_has_and_its_classes_stay(images, masks):
    source = annotated(annotated(images, boxes()), read_masks(masks))
    first, second = source.annotations
    assert first.instances and first.mask == masks / "1.png" and second == Annotation()
    assert source.classes == ("cat",)
    assert [remark.split(" (")[0] for remark in source.remarks] == ["1 of 2 images annotated"] * 2


def test_sets_that_number_classes_unlike_are_refused(images, masks):
    with pytest.raises(SourceError, match="number classes unlike"):
        annotated(images, boxes(), boxes(classes=("dog",)))
    with pytest.raises(SourceError, match="number classes unlike"):
        annotated(annotated(images, boxes()), read_masks(masks, classes=("sky",)))


def test_annotations_of_none_of_the_images_are_refused(images):
    with pytest.raises(SourceError, match="none of its images has objects in boxes"):
        annotated(images, boxes(path="3.png"))


def test_it_is_said_where_only_bare_names_agree(tmp_path, write_image):
    write_image(tmp_path / "new/1.png")
    source = annotated(scan_folder(tmp_path), boxes(path="old/1.png"))
    assert "boxes: its folders are not those of the images, so bare file names were compared" in source.remarks


def test_a_changed_file_makes_another_source(images, masks):
    before = annotated(images, read_masks(masks)).identity()
    assert annotated(images, read_masks(masks)).identity() == before
    (masks / "1.png").write_bytes((masks / "1.png").read_bytes() + b"\0")
    assert annotated(images, read_masks(masks)).identity() != before
