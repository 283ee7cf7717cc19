import json

import numpy as np
import pytest
from torchvision.datasets import CocoDetection

from inrformat.conversion.columns import values_of
from inrformat.conversion.reading import images_of
from inrformat.conversion.sources.coco import looks_like_coco, scan_coco
from inrformat.errors import SourceError


def columns(source, number, *, height, width):
    sample = source.sample(number)
    return values_of(source.columns, sample.values, sample.annotation, height=height, width=width)


def write_set(root, *, images, annotations=(), name="instances_val.json", categories=("cat",)):
    (root / "annotations").mkdir(exist_ok=True)
    stored = {
        "categories": [{"id": k, "name": name} for k, name in enumerate(categories)],
        "images": [{"id": k, "file_name": file, "width": w, "height": h} for k, (file, h, w) in enumerate(images)],
        "annotations": list(annotations),
    }
    (root / "annotations" / name).write_text(json.dumps(stored))


def test_boxes_labels_and_captions_are_those_that_torchvision_shows(coco_folder):
    pytest.importorskip("pycocotools", reason="torchvision reads COCO with it")
    file = coco_folder / "annotations/instances_val2017.json"
    theirs = CocoDetection(coco_folder / "val2017", file)
    name_of = {c["id"]: c["name"] for c in theirs.coco.dataset["categories"]}
    ours = scan_coco(coco_folder)
    assert len(theirs) == len(ours.names)
    for k, (image, objects) in enumerate(theirs):
        name = theirs.coco.loadImgs(theirs.ids[k])[0]["file_name"]
        found = columns(ours, ours.names.index(name), height=image.height, width=image.width)
        boxes = np.array([o["bbox"] for o in objects]).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        boxes = boxes.clip(0, [image.width, image.height] * 2)
        np.testing.assert_allclose(np.reshape(found["boxes"], (-1, 4)), boxes, atol=1e-6)
        assert [ours.classes[label] for label in found["box_labels"]] == [name_of[o["category_id"]] for o in objects]
        assert found["caption"] == f"photograph {name.removesuffix('.jpg')}"


def test_outlines_fill_the_pixels_that_pycocotools_fills_but_for_their_edge(coco_folder):
    pytest.importorskip("pycocotools", reason="compared with it")
    from inrformat.container.masks import unpack_instances

    theirs = CocoDetection(coco_folder / "val2017", coco_folder / "annotations/instances_val2017.json")
    ours = scan_coco(coco_folder)
    compared = 0
    for k, (image, objects) in enumerate(theirs):
        name = theirs.coco.loadImgs(theirs.ids[k])[0]["file_name"]
        found = columns(ours, ours.names.index(name), height=image.height, width=image.width)
        masks = unpack_instances(found["instances"], count=len(objects), size=(image.height, image.width))
        for mask, stored in zip(masks, objects, strict=True):
            expected = theirs.coco.annToMask(stored).astype(bool)
            edge = sum(len(outline) for outline in stored["segmentation"]) + 2 * sum(stored["bbox"][2:])
            assert (mask ^ expected).sum() <= edge
            compared += 1
    assert compared > 20


def test_every_photograph_says_how_many_are_annotated(coco_folder):
    source = scan_coco(coco_folder, split="val2017")
    assert any(remark.startswith("12 of 12 images annotated") for remark in source.remarks)
    assert looks_like_coco(coco_folder) and not looks_like_coco(coco_folder / "val2017")


def test_images_absent_from_either_side_are_counted_and_named(tmp_path, write_image):
    write_image(tmp_path / "val/a.png"), write_image(tmp_path / "val/b.png")
    write_set(tmp_path, images=[("a.png", 20, 40), ("gone.png", 20, 40)])
    source = scan_coco(tmp_path)
    assert source.remarks[0].startswith("1 of 2 images annotated")
    assert "1 annotations are of images that are not here, the first of gone.png" in source.remarks


def test_a_split_has_its_own_folder_and_is_asked_for_where_there_are_several(tmp_path, write_image):
    for name in ("train", "val"):
        write_image(tmp_path / f"images/{name}/1.png")
        write_set(tmp_path, images=[("1.png", 20, 40)], name=f"instances_{name}.json")
    assert scan_coco(tmp_path, split="val").image("1.png") == tmp_path / "images/val/1.png"
    with pytest.raises(SourceError, match=r"choose one with --split \(train, val\)"):
        scan_coco(tmp_path)
    with pytest.raises(SourceError, match="no split 'test'; there are train, val"):
        scan_coco(tmp_path, split="test")


def test_files_of_other_kinds_are_left_out_by_name(tmp_path, write_image):
    write_image(tmp_path / "val/1.png")
    write_set(tmp_path, images=[("1.png", 20, 40)])
    for kind in ("panoptic", "stuff"):
        write_set(tmp_path, images=[], name=f"{kind}_val.json")
    assert [r for r in scan_coco(tmp_path).remarks if "left out" in r and "panoptic_val.json" in r]
    (tmp_path / "annotations/instances_val.json").unlink()
    with pytest.raises(SourceError, match="no instances_"):
        scan_coco(tmp_path)


@pytest.mark.parametrize(
    "annotated_size,orientation,as_stored",
    [((20, 40), 6, True), ((40, 20), 6, False), ((20, 40), 3, True), ((20, 40), 1, True), ((10, 20), 6, True)],
)
def test_a_picture_is_taken_the_way_up_it_was_annotated(tmp_path, write_image, annotated_size, orientation, as_stored):
    write_image(tmp_path / "val/1.jpg", (20, 40), orientation=orientation)
    box = {"id": 1, "image_id": 0, "category_id": 0, "bbox": [0, 0, annotated_size[1] / 2, annotated_size[0]]}
    write_set(tmp_path, images=[("1.jpg", *annotated_size)], annotations=[box])
    source = scan_coco(tmp_path)
    sample = source.sample(0)
    assert sample.as_stored == as_stored and sample.annotation.instances[0].box == (0, 0, 0.5, 1)
    (pixels,) = images_of(source)
    assert pixels.shape[:2] == ((20, 40) if as_stored else (40, 20))


def test_annotations_of_a_picture_of_another_shape_are_refused_by_name(tmp_path, write_image):
    write_image(tmp_path / "val/1.jpg", (20, 40), orientation=6)
    write_set(tmp_path, images=[("1.jpg", 30, 40)])
    with pytest.raises(SourceError, match=r"1\.jpg: 40 x 20 px, but its annotations are of a picture of 40 x 30 px"):
        scan_coco(tmp_path).sample(0)


def test_a_conversion_is_not_resumed_with_other_annotations(tmp_path, write_image):
    write_image(tmp_path / "val/1.png")
    write_set(tmp_path, images=[("1.png", 20, 40)])
    before = scan_coco(tmp_path).identity()
    assert scan_coco(tmp_path).identity() == before
    write_set(tmp_path, images=[("1.png", 20, 40), ("2.png", 20, 40)])
    assert scan_coco(tmp_path).identity() != before
