import json

import numpy as np
import pytest
from PIL import Image

from inrformat import InrdDataset
from inrformat.cli.main import main
from inrformat.container.masks import unpack_instances, unpack_semantic
from inrformat.conversion.annotations.annotation import Annotation, Instance
from inrformat.conversion.annotations.class_names import read_class_names
from inrformat.conversion.annotations.masks import read_masks
from inrformat.conversion.annotations.matching import match
from inrformat.conversion.annotations.rasterize import filled
from inrformat.conversion.annotations.reading import read_annotations
from inrformat.conversion.columns import annotation_columns, values_of
from inrformat.errors import SourceError

COCO = {
    "categories": [{"id": 7, "name": "train"}, {"id": 3, "name": "car"}],
    "images": [
        {"id": 1, "file_name": "a.png", "width": 40, "height": 20},
        {"id": 2, "file_name": "b.png", "width": 10, "height": 10},
    ],
    "annotations": [
        {
            "image_id": 1,
            "category_id": 7,
            "bbox": [4, 2, 20, 10],
            "segmentation": [[4, 2, 24, 2, 24, 12, 4, 12]],
            "keypoints": [5, 6, 2, 0, 0, 0],
        },
        {"image_id": 1, "category_id": 3, "bbox": [0, 0, 40, 20], "segmentation": [[0, 0, 40, 0, 40, 20, 0, 20]]},
        {
            "image_id": 1,
            "category_id": 3,
            "bbox": [0, 0, 1, 1],
            "iscrowd": 1,
            "segmentation": {"size": [20, 40], "counts": [0, 20 * 6, 20 * 34]},
        },
        {"image_id": 2, "caption": "two words"},
    ],
}


def columns(annotations, names, height, width):
    keys = list(annotations.by_path)
    numbers = match(names, keys, own_suffixes=annotations.own_suffixes, place="here").of_image
    found = [Annotation() if number is None else annotations.by_path[keys[number]] for number in numbers]
    specs = annotation_columns(found)
    rows = [values_of(specs, {}, a, height=height, width=width) for a in found]
    return {spec.name: [row[spec.name] for row in rows] for spec in specs}


def test_coco_is_read_into_columns_in_pixels_of_the_stored_size(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps(COCO))
    annotations = read_annotations(tmp_path / "x.json")
    assert annotations.classes == ("car", "train")
    found = columns(annotations, ["sub/a.png", "b.png"], 10, 20)  # half the annotated size
    assert found["boxes"][0] == [2, 1, 12, 6, 0, 0, 20, 10, 0, 0, 0.5, 0.5] and len(found["boxes"][1]) == 0
    assert found["box_labels"] == [[1, 0, 0], []] and found["iscrowd"] == [[0, 0, 1], []]
    assert found["keypoints"][0] == [2.5, 3, 2, 0, 0, 0]
    assert found["caption"] == ["", "two words"]
    masks = unpack_instances(found["instances"][0], count=3, size=(10, 20))
    expected = np.zeros((10, 20), bool)
    expected[1:6, 2:12] = True
    assert np.array_equal(masks[0], expected)
    assert masks[1].all() and masks[2, :, :3].all() and not masks[2, :, 3:].any()


def test_a_mask_that_does_not_fit_its_image_is_named_with_its_annotation(tmp_path):
    mask = {"size": [20, 40], "counts": "PPYo"}
    entry = {"id": 91, "image_id": 1, "category_id": 3, "bbox": [0, 0, 1, 1], "iscrowd": 1, "segmentation": mask}
    (tmp_path / "x.json").write_text(json.dumps({**COCO, "annotations": [entry]}))
    with pytest.raises(SourceError, match=r"x\.json: annotation 91: its run-length mask has .* encode it anew"):
        read_annotations(tmp_path / "x.json")


def test_yolo_rows_are_boxes_or_outlines(tmp_path):
    (tmp_path / "a.txt").write_text("1 0.5 0.5 0.2 0.4\n\n0 0 0 1 0 1 0.5\n")
    annotations = read_annotations(tmp_path, classes=("x", "y"))
    box, outline = annotations.by_path["a.txt"].instances
    assert box.box == pytest.approx((0.4, 0.3, 0.6, 0.7)) and box.label == 1
    assert outline.box == (0, 0, 1, 0.5) and len(outline.polygons[0]) == 3
    assert read_annotations(tmp_path).classes == ("0", "1")


@pytest.mark.parametrize(
    "text,message",
    [
        ("0 1 2", "line 1"),
        ("a 1 2 3 4", "line 1"),
        ("0 1 2 3 nan", "line 1"),
        ("0 0.5 0.5 nan 0.5", "nan is no share"),
        ("0 320 240 64 48", "320 is no share .* divide pixels by its size"),
        ("0 0.5 0.5 0.1 0.1 0.9", "5 numbers after the class; expected 4"),
        ("-1 0 0 1 1", "class -1 is not a number from 0 on"),
        ("0.5 0 0 1 1", "class 0.5 is not"),
        ("9 0.5 0.5 1 1", "class 9 of 2"),
    ],
)
def test_yolo_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(SourceError, match=message):
        read_annotations(tmp_path, classes=("x", "y"))


def test_what_is_no_annotation_is_named(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    for path in (tmp_path / "x.json", tmp_path / "none.json", tmp_path / "x.csv", tmp_path):
        with pytest.raises(SourceError, match=path.name):
            read_annotations(path)


@pytest.mark.parametrize(
    "name,text",
    [
        ("n.txt", "cat\ndog\n"),
        ("n.yaml", "path: .\nnames:\n  0: cat  # a comment\n  1: 'dog'\nnc: 2\n"),
        ("n.yml", "names:\n- cat\n- dog\n"),
        ("n.yaml", 'names: [cat, "dog"]\n'),
    ],
)
def test_class_names_are_read_from_text_and_yaml(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert read_class_names(tmp_path / name) == ("cat", "dog")


def test_class_numbers_may_have_gaps(tmp_path):
    (tmp_path / "n.yaml").write_text("classes:\n  1: cat\n  3: dog\n")
    assert read_class_names(tmp_path / "n.yaml") == ("class 0", "cat", "class 2", "dog")
    (tmp_path / "e.yaml").write_text("train: x\n")
    with pytest.raises(SourceError, match="no class names"):
        read_class_names(tmp_path / "e.yaml")


@pytest.mark.parametrize("highest,dtype", [(3, np.uint8), (600, np.int32)])
def test_semantic_masks_are_kept_losslessly(tmp_path, highest, dtype):
    numbers = np.random.default_rng(0).integers(0, highest + 1, (12, 9)).astype(np.uint16)
    numbers[0, 0] = highest
    image = Image.fromarray(numbers.astype(np.uint8) if highest < 256 else numbers)
    image.save(tmp_path / "a.png")
    found = columns(read_masks(tmp_path), ["a.jpg", "b.jpg"], 12, 9)
    mask = unpack_semantic(found["semantic"][0], size=(12, 9))
    assert np.array_equal(mask, numbers) and mask.dtype == dtype
    assert (unpack_semantic(found["semantic"][1], size=(12, 9)) == 255).all()


def test_pixels_whose_centres_lie_inside_an_outline_belong_to_it():
    triangle = Instance(0, (0, 0, 1, 1), (((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)),))
    mask = filled(triangle, 8, 8)
    y, x = np.mgrid[:8, :8] + 0.5
    assert np.array_equal(mask[x + y != 8], (x + y < 8)[x + y != 8])
    beyond = Instance(0, (-1, -1, 2, 2), (((-1.0, -1.0), (2.0, -1.0), (2.0, 2.0), (-1.0, 2.0)),))
    assert filled(beyond, 5, 7).all()
    assert not filled(Instance(0, (0.5, 0.5, 0.5, 0.5)), 5, 7).any()


def test_nothing_known_makes_no_columns():
    assert annotation_columns([Annotation()]) == ()


def test_the_command_line_converts_a_detection_set(tmp_path, photo_tiles):
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.mkdir(), labels.mkdir()
    for number, tile in enumerate(photo_tiles["coffee"][:2]):
        Image.fromarray(tile).save(images / f"{number}.png")
    (labels / "0.txt").write_text("0 0.5 0.5 0.5 0.25\n")
    out = tmp_path / "d.inrd"
    assert main(["convert", str(images), str(out), "--annotations", str(labels), "--json"]) == 0
    dataset = InrdDataset(out)
    assert dataset[0][1]["boxes"].tolist() == [[8, 12, 24, 20]] and dataset[0][1]["labels"].tolist() == [0]
    assert dataset[1][1]["boxes"].shape == (0, 4) and dataset.classes == ["0"]
    assert InrdDataset(out, size=16)[0][1]["boxes"].tolist() == [[4, 6, 12, 10]]
    assert main(["convert", str(images), str(tmp_path / "e.inrd"), "--class-names", "x"]) == 4
    (labels / "0.txt").rename(labels / "other.txt")
    assert main(["convert", str(images), str(tmp_path / "e.inrd"), "--annotations", str(labels)]) == 4


def test_the_command_line_gives_images_of_one_name_their_own_boxes_and_says_how_many(tmp_path, photo_tiles, capsys):
    for folder, tile in zip("abc", photo_tiles["coffee"], strict=False):
        (tmp_path / "images" / folder).mkdir(parents=True)
        Image.fromarray(tile).save(tmp_path / "images" / folder / "0001.png")
    images = [{"id": k, "file_name": f"{f}/0001.png", "width": 32, "height": 32} for k, f in enumerate("abz")]
    boxes = [{"id": k, "image_id": k, "category_id": k, "bbox": [k, 0, 8, 8]} for k in range(2)]
    categories = [{"id": k, "name": name} for k, name in enumerate(("cat", "dog"))]
    stored = {"categories": categories, "images": images, "annotations": boxes}
    (tmp_path / "boxes.json").write_text(json.dumps(stored))
    captions = [{"id": 1, "image_id": 1, "caption": "a dog"}]
    (tmp_path / "captions.json").write_text(json.dumps({"images": images, "annotations": captions}))
    flags = [part for name in ("boxes", "captions") for part in ("--annotations", str(tmp_path / f"{name}.json"))]
    assert main(["convert", str(tmp_path / "images"), str(tmp_path / "d.inrd"), *flags]) == 0
    said = capsys.readouterr().out
    assert "2 of 3 images annotated" in said
    assert "1 annotations are of images that are not here, the first of z/0001.png" in said
    dataset = InrdDataset(tmp_path / "d.inrd", target=("detection", "caption"))
    found = [(t["labels"].tolist(), t["boxes"].tolist(), caption) for _, (t, caption) in dataset]
    assert found == [([0], [[0, 0, 8, 8]], ""), ([1], [[1, 0, 9, 8]], "a dog"), ([], [], "")]
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/0001.txt").write_text("0 0.5 0.5 0.5 0.5")
    labels = ["--annotations", str(tmp_path / "labels")]
    assert main(["convert", str(tmp_path / "images"), str(tmp_path / "e.inrd"), *labels]) == 4
    assert "0001.txt may belong to a/0001.png or to b/0001.png" in capsys.readouterr().err
