import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import VOCDetection, VOCSegmentation

from inrformat.conversion.annotations.rasterize import class_numbers
from inrformat.conversion.columns import values_of
from inrformat.conversion.sources.voc import looks_like_voc, scan_voc
from inrformat.errors import SourceError

BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>20</xmax><ymax>20</ymax></bndbox>"


def write_voc(root, write_image, names, *, object_name="cat", orientation=1):
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    for name in names:
        write_image(root / f"JPEGImages/{name}.jpg", orientation=orientation)
        (root / f"Annotations/{name}.xml").write_text(
            "<annotation><size><width>40</width><height>20</height></size><object>"
            f"<name>{object_name}</name><difficult>1</difficult>{BOX}</object></annotation>"
        )


def write_list(root, kind, name, stems):
    (root / "ImageSets" / kind).mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / kind / f"{name}.txt").write_text("\n".join(stems))


@pytest.mark.parametrize("split", ["train", "val"])
def test_boxes_and_labels_are_those_that_torchvision_shows(voc_folder, split):
    theirs = VOCDetection(voc_folder.parents[1], year="2012", image_set=split)
    ours = scan_voc(voc_folder, split=split)
    assert len(theirs) == len(ours.names) == 6
    for k, (image, target) in enumerate(theirs):
        stored = target["annotation"]
        sample = ours.sample(ours.names.index(stored["filename"]))
        found = values_of(ours.columns, {}, sample.annotation, height=image.height, width=image.width)
        objects = stored.get("object", [])
        corners = [[float(o["bndbox"][c]) for c in ("xmin", "ymin", "xmax", "ymax")] for o in objects]
        np.testing.assert_allclose(np.reshape(found["boxes"], (-1, 4)), np.reshape(corners, (-1, 4)), atol=1e-6)
        assert [ours.classes[label] for label in found["box_labels"]] == [o["name"] for o in objects]
        assert k < 6


def test_all_splits_number_their_classes_alike(voc_folder):
    train, val = (scan_voc(voc_folder, split=split) for split in ("train", "val"))
    assert train.classes == val.classes
    labels = [{i.label for a in s.annotations for i in a.instances} for s in (train, val)]
    assert labels[0] != labels[1]


def test_lists_of_one_class_are_no_splits(voc_folder):
    with pytest.raises(SourceError, match=r"choose one with --split \(train, val\)"):
        scan_voc(voc_folder)
    assert looks_like_voc(voc_folder) and not looks_like_voc(voc_folder.parent)


def test_pascal_s_own_classes_keep_their_usual_numbers(tmp_path, write_image):
    write_voc(tmp_path, write_image, ["1"], object_name="cat")
    source = scan_voc(tmp_path)
    assert len(source.classes) == 20 and source.classes[source.annotations[0].instances[0].label] == "cat"
    assert any("1 objects are marked as difficult" in remark for remark in source.remarks)


def test_masks_are_taken_along_where_every_image_has_one(tmp_path, write_image):
    root = tmp_path / "VOCdevkit/VOC2012"
    write_voc(root, write_image, ["1", "2"])
    write_list(root, "Main", "train", ["1", "2"]), write_list(root, "Segmentation", "train", ["1"])
    (root / "SegmentationClass").mkdir()
    numbers = np.zeros((20, 40), np.uint8)
    numbers[:, 10:] = 8
    numbers[0] = 255
    mask = Image.fromarray(numbers, "P")
    mask.putpalette([k % 256 for k in range(768)])
    mask.save(root / "SegmentationClass/1.png")
    without = scan_voc(root, split="train")
    assert all(a.mask is None for a in without.annotations)
    assert any("1 of 2 images have masks" in remark for remark in without.remarks)
    source = scan_voc(root, split="Segmentation/train")
    ((_, theirs),) = VOCSegmentation(tmp_path, year="2012", image_set="train")
    assert np.array_equal(class_numbers(source.sample(0).annotation.mask, 20, 40), np.asarray(theirs))
    assert np.array_equal(np.asarray(theirs), numbers)


@pytest.mark.parametrize("orientation", [1, 6])
def test_pictures_are_taken_as_they_lie_in_their_files_if_that_has_the_stated_size(tmp_path, write_image, orientation):
    write_voc(tmp_path, write_image, ["1"], orientation=orientation)
    assert scan_voc(tmp_path).sample(0).as_stored


def test_a_list_of_images_that_are_not_there_names_the_first(tmp_path, write_image):
    write_voc(tmp_path, write_image, ["1"])
    write_list(tmp_path, "Main", "train", ["1", "7"])
    with pytest.raises(SourceError, match=r"train\.txt: no image 7 in JPEGImages \(1 of 2 are missing\)"):
        scan_voc(tmp_path)
    (tmp_path / "ImageSets/Main/train.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(SourceError, match="unreadable list"):
        scan_voc(tmp_path)
