"""Files or a folder of annotations, recognised by looking."""

from __future__ import annotations

from pathlib import Path

from inrformat.conversion.annotations.annotation_set import AnnotationSet
from inrformat.conversion.annotations.coco import read_coco
from inrformat.conversion.annotations.voc import read_voc
from inrformat.conversion.annotations.yolo import read_yolo
from inrformat.errors import SourceError

__all__ = ["read_annotations"]


def read_annotations(
    *paths: Path, classes: tuple[str, ...] = (), keypoint_shape: tuple[int, int] | None = None
) -> AnnotationSet:
    """Read COCO JSON files of the same images, or a folder of YOLO's ``.txt`` or Pascal VOC's ``.xml`` files.

    Args:
        classes: names by number, for YOLO and VOC; numbers without a name get one.
        keypoint_shape: of YOLO's pose labels, see `read_yolo`.

    Raises:
        SourceError: something in it cannot be understood; the message names file and place.
    """
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0]
        xml = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*.xml"))}
        if xml:
            return read_voc(xml, place=str(folder), classes=classes)
        return read_yolo(folder, classes=classes, keypoint_shape=keypoint_shape)
    for path in paths:
        if path.suffix.lower() != ".json" or path.is_dir():
            one = " alone" * (len(paths) > 1)
            raise SourceError(
                f"{path}: expected COCO .json files, or a folder of YOLO .txt or Pascal VOC .xml files{one}"
            )
    return read_coco(paths)
