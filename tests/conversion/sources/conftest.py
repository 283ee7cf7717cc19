"""Annotated sets as they lie on disk, made from real photographs and their real annotations."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from inrformat.conversion.annotations.annotation import Annotation
from inrformat.conversion.annotations.class_names import read_class_names
from inrformat.conversion.annotations.yolo import read_yolo

IMAGES = 12


@pytest.fixture
def write_image() -> Callable[..., Path]:
    """Writes a grey image ``(height, width)`` with an EXIF orientation."""

    def write(path: Path, size: tuple[int, int] = (20, 40), *, orientation: int = 1) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", size[::-1]).save(path, exif=exif)
        return path

    return write


@pytest.fixture(scope="session")
def photographs(shared_data: Path) -> dict[Path, Annotation]:
    """Photographs of COCO with their polygons, in shares of their sides."""
    root = shared_data / "coco128"
    classes = read_class_names(root / "upstream/instance_segmentation/config.yaml")
    found = read_yolo(root / "instance_segmentation/labels/val2017", classes=classes)
    by_stem = {Path(name).stem: annotation for name, annotation in found.by_path.items()}
    images = sorted((root / "images/val2017").glob("*.jpg"))[:IMAGES]
    return {image: by_stem.get(image.stem, Annotation()) for image in images}


@pytest.fixture(scope="session")
def photograph_classes(shared_data: Path) -> tuple[str, ...]:
    """Names of their classes."""
    return read_class_names(shared_data / "coco128/upstream/instance_segmentation/config.yaml")


@pytest.fixture(scope="session")
def coco_folder(
    photographs: dict[Path, Annotation], photograph_classes: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Those photographs as COCO has them, with objects and captions in a file each."""
    root = tmp_path_factory.mktemp("coco")
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    captions: list[dict[str, Any]] = []
    for number, (file, annotation) in enumerate(photographs.items(), start=1):
        (root / "val2017").mkdir(exist_ok=True)
        shutil.copy(file, root / "val2017" / file.name)
        with Image.open(file) as opened:
            width, height = opened.size
        images.append({"id": number, "file_name": file.name, "width": width, "height": height})
        captions.append({"id": number, "image_id": number, "caption": f"photograph {file.stem}"})
        for instance in annotation.instances:
            left, top, right, bottom = instance.box
            objects.append(
                {
                    "id": len(objects) + 1,
                    "image_id": number,
                    "category_id": 2 * instance.label + 1,  # with gaps, as COCO's own
                    "bbox": [left * width, top * height, (right - left) * width, (bottom - top) * height],
                    "segmentation": [
                        [s for x, y in outline for s in (x * width, y * height)] for outline in instance.polygons
                    ],
                    "area": 1.0,
                    "iscrowd": 0,
                }
            )
    categories = [{"id": 2 * k + 1, "name": name} for k, name in enumerate(photograph_classes)]
    (root / "annotations").mkdir()
    of_objects = {"categories": categories, "images": images, "annotations": objects}
    (root / "annotations/instances_val2017.json").write_text(json.dumps(of_objects))
    (root / "annotations/captions_val2017.json").write_text(json.dumps({"images": images, "annotations": captions}))
    return root


@pytest.fixture(scope="session")
def voc_folder(
    photographs: dict[Path, Annotation], photograph_classes: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Those photographs as Pascal VOC has them, in torchvision's ``VOCdevkit/VOC2012``."""
    root = tmp_path_factory.mktemp("voc") / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for file, annotation in photographs.items():
        shutil.copy(file, root / "JPEGImages" / file.name)
        with Image.open(file) as opened:
            width, height = opened.size
        objects = "".join(
            f"<object><name>{photograph_classes[i.label]}</name><difficult>0</difficult><bndbox>"
            f"<xmin>{round(i.box[0] * width)}</xmin><ymin>{round(i.box[1] * height)}</ymin>"
            f"<xmax>{round(i.box[2] * width)}</xmax><ymax>{round(i.box[3] * height)}</ymax></bndbox></object>"
            for i in annotation.instances
        )
        (root / "Annotations" / f"{file.stem}.xml").write_text(
            f"<annotation><filename>{file.name}</filename><size><width>{width}</width><height>{height}</height>"
            f"<depth>3</depth></size>{objects}</annotation>"
        )
    stems = [file.stem for file in photographs]
    (root / "ImageSets/Main/train.txt").write_text("\n".join(stems[: IMAGES // 2]))
    (root / "ImageSets/Main/val.txt").write_text("\n".join(stems[IMAGES // 2 :]))
    (root / "ImageSets/Main/cat_train.txt").write_text("\n".join(f"{stem} -1" for stem in stems[: IMAGES // 2]))
    return root
