"""The kinds of sources there are, by the names that ``--source`` has for them."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["SourceKind"]


class SourceKind(StrEnum):
    """What a source can be."""

    FOLDER = "folder"  # one class a sub-folder, or flat
    FILES = "files"
    MANIFEST = "manifest"
    COCO = "coco"
    YOLO = "yolo"
    VOC = "voc"
    WEBDATASET = "webdataset"
    PARQUET = "parquet"
    HUGGINGFACE = "huggingface"
    INRD = "inrd"
    PYTHON = "python"
