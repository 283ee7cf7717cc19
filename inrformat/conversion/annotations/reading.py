"""A file or folder of annotations, recognised by looking."""

from __future__ import annotations

from pathlib import Path

from inrformat.conversion.annotations.annotation_set import AnnotationSet
from inrformat.conversion.annotations.coco import read_coco
from inrformat.conversion.annotations.voc import read_voc
from inrformat.conversion.annotations.yolo import read_yolo
from inrformat.errors import SourceError

__all__ = ["read_annotations"]


def read_annotations(path: Path, *, classes: tuple[str, ...] = ()) -> AnnotationSet:
    """Read a COCO JSON file, or a folder of YOLO's ``.txt`` or Pascal VOC's ``.xml`` files.

    Args:
        classes: names by number, for YOLO and VOC; numbers without a name get one.

    Raises:
        SourceError: something in it cannot be understood; the message names file and place.
    """
    if path.is_dir():
        xml = sorted(path.rglob("*.xml"))
        return read_voc(xml, place=str(path), classes=classes) if xml else read_yolo(path, classes=classes)
    if path.suffix.lower() != ".json":
        raise SourceError(f"{path}: expected a COCO .json file, or a folder of YOLO .txt or Pascal VOC .xml files")
    return read_coco([path])
