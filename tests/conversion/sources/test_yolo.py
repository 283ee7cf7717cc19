import pytest

from inrformat.conversion.sources.yolo import looks_like_yolo, scan_yolo
from inrformat.errors import SourceError

YAML = "names: [cat, dog]\n"


def write_labels(root, labels):
    for name, text in labels.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def row(label):
    return f"{label} 0.5 0.5 0.5 0.5\n"


@pytest.fixture
def yolo(tmp_path, write_image):
    """``images`` beside ``labels``, the same names in two folders of two splits."""
    for split in ("train", "val"):
        for folder in ("a", "b"):
            write_image(tmp_path / f"images/{split}/{folder}/1.jpg")
    write_labels(
        tmp_path,
        {
            "labels/train/a/1.txt": row(0),
            "labels/train/b/1.txt": row(1),
            "labels/val/a/1.txt": "",
            "data.yaml": f"path: .\ntrain: images/train\nval: [images/val/a, images/val/b]\n{YAML}",
        },
    )
    return tmp_path


def labels(source):
    return {name: [i.label for i in a.instances] for name, a in zip(source.names, source.annotations, strict=True)}


TRAIN = {"a/1.jpg": [0], "b/1.jpg": [1]}


@pytest.mark.parametrize("where", [".", "data.yaml"])
def test_every_image_gets_the_labels_of_its_own_path(yolo, where):
    assert looks_like_yolo(yolo / where)
    source = scan_yolo(yolo / where, split="train")
    assert labels(source) == TRAIN and source.classes == ("cat", "dog")
    with pytest.raises(SourceError, match=r"choose one with --split \(train, val\)"):
        scan_yolo(yolo / where)


def test_a_split_s_own_folder_is_a_source_and_finds_the_names_of_classes(yolo):
    assert looks_like_yolo(yolo / "images/train")
    source = scan_yolo(yolo / "images/train")
    assert labels(source) == TRAIN and source.classes == ("cat", "dog")
    assert labels(scan_yolo(yolo / "images/train/b")) == {"1.jpg": [1]}


def test_an_empty_file_is_an_image_without_objects_and_a_missing_one_is_not_annotated(yolo):
    source = scan_yolo(yolo, split="val")
    assert labels(source) == {"a/1.jpg": [], "b/1.jpg": []}
    assert source.remarks[0].startswith("1 of 2 images annotated")


def test_labels_without_an_image_are_counted_and_named(yolo):
    write_labels(yolo, {"labels/train/c/9.txt": row(0)})
    remark = scan_yolo(yolo, split="train").remarks[-1]
    assert remark.startswith("1 label files are of images that are not here") and remark.endswith("c/9.txt")


def test_lists_of_images_are_read_from_their_own_folder_on(yolo):
    write_labels(yolo, {"some.txt": "./images/train/b/1.jpg\n\nimages/val/a/1.jpg\n"})
    found = labels(scan_yolo(yolo / "some.txt"))
    assert found == {"train/b/1.jpg": [1], "val/a/1.jpg": []}
    write_labels(yolo, {"data.yaml": f"path: .\ntrain: some.txt\n{YAML}"})
    assert labels(scan_yolo(yolo)) == found
    write_labels(yolo, {"some.txt": "images/train/b/1.jpg\nimages/gone.jpg\n"})
    with pytest.raises(SourceError, match=r"some\.txt, line 2: no image images/gone\.jpg"):
        scan_yolo(yolo)
    write_labels(yolo, {"some.txt": "images/train/b/1.jpg\nimages/train/b/1.jpg\n"})
    with pytest.raises(SourceError, match="an image is listed twice"):
        scan_yolo(yolo)


def test_splits_may_hold_images_and_labels_of_their_own(tmp_path, write_image):
    for split in ("train", "valid"):
        write_image(tmp_path / f"{split}/images/1.jpg")
        write_labels(tmp_path, {f"{split}/labels/1.txt": row(int(split == "valid"))})
    assert looks_like_yolo(tmp_path)
    assert labels(scan_yolo(tmp_path, split="valid")) == {"1.jpg": [1]}
    write_labels(tmp_path, {"data.yaml": f"train: ../train/images\nval: ../valid/images\n{YAML}"})
    assert labels(scan_yolo(tmp_path, split="val")) == {"1.jpg": [1]}


def test_two_images_of_one_label_file_are_refused_by_name(yolo, write_image):
    write_image(yolo / "images/train/a/1.png")
    with pytest.raises(SourceError, match=r"a/1\.txt: may belong to a/1\.jpg or to a/1\.png"):
        scan_yolo(yolo, split="train")


def test_pose_labels_have_keypoints_where_the_yaml_says_how_many(tmp_path, write_image):
    write_image(tmp_path / "images/1.jpg")
    write_labels(tmp_path, {"labels/1.txt": "0 0.5 0.5 0.5 0.5 0.25 0.5 2 0 0 0\n"})
    write_labels(tmp_path, {"data.yaml": f"train: images\nkpt_shape: [2, 3]\n{YAML}"})
    (instance,) = scan_yolo(tmp_path).annotations[0].instances
    assert instance.keypoints == ((0.25, 0.5, 2), (0, 0, 0)) and instance.box == (0.25, 0.25, 0.75, 0.75)
    write_labels(tmp_path, {"data.yaml": f"train: images\nkpt_shape: 17\n{YAML}"})
    with pytest.raises(SourceError, match=r"data\.yaml: kpt_shape: expected"):
        scan_yolo(tmp_path)


@pytest.mark.parametrize("orientation", [1, 6])
def test_labels_are_of_the_picture_turned_upright(tmp_path, write_image, orientation):
    write_image(tmp_path / "images/1.jpg", orientation=orientation)
    write_labels(tmp_path, {"labels/1.txt": row(0)})
    assert not scan_yolo(tmp_path).sample(0).as_stored


def test_what_is_not_there_is_named_with_what_was_looked_for(tmp_path, write_image):
    write_image(tmp_path / "images/1.jpg")
    with pytest.raises(SourceError, match="images: no labels beside it"):
        scan_yolo(tmp_path)
    write_labels(tmp_path, {"data.yaml": f"train: nowhere\n{YAML}"})
    with pytest.raises(SourceError, match=r"data\.yaml: nowhere is not there"):
        scan_yolo(tmp_path)
    with pytest.raises(SourceError, match="no such file or folder"):
        scan_yolo(tmp_path / "absent")
    assert not looks_like_yolo(tmp_path / "absent")
