"""What kind of source a name stands for, found out by looking."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from inrformat.conversion.pixels.read import IMAGE_SUFFIXES
from inrformat.conversion.sources.coco import looks_like_coco
from inrformat.conversion.sources.kinds import SourceKind
from inrformat.conversion.sources.manifest import MANIFEST_SUFFIXES
from inrformat.conversion.sources.voc import looks_like_voc
from inrformat.conversion.sources.yolo import looks_like_yolo
from inrformat.errors import SourceError
from inrformat.storage.opening import is_url

__all__ = ["recognised"]

_PYTHON = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


_BY_SUFFIX = {
    ".inrd": SourceKind.INRD,
    ".tar": SourceKind.WEBDATASET,
    ".parquet": SourceKind.PARQUET,
    ".yaml": SourceKind.YOLO,
    ".yml": SourceKind.YOLO,
    **dict.fromkeys(MANIFEST_SUFFIXES, SourceKind.MANIFEST),
}


def recognised(text: str) -> SourceKind:
    """The kind of a source by its name, and by what lies there.

    Raises:
        SourceError: there is nothing of that name.
    """
    by_name = _by_name(text)
    if by_name is not None:
        return by_name
    path = Path(text).expanduser()
    if not path.is_dir():
        known = ", ".join(sorted(_BY_SUFFIX))
        what = f"not an image, nor {known}" if path.exists() else "no such folder or file"
        raise SourceError(f"{text}: {what}; --source says what it is")
    if (path / "dataset_info.json").is_file() or (path / "dataset_dict.json").is_file():
        return SourceKind.HUGGINGFACE
    for kind, looks in (
        (SourceKind.COCO, looks_like_coco),
        (SourceKind.VOC, looks_like_voc),
        (SourceKind.YOLO, looks_like_yolo),
    ):
        if looks(path):
            return kind
    for kind, suffix in ((SourceKind.WEBDATASET, ".tar"), (SourceKind.PARQUET, ".parquet")):
        if any(path.glob(f"*{suffix}")):
            return kind
    return SourceKind.FOLDER


def _by_name(text: str) -> SourceKind | None:
    """The kind that a name alone says; None where one has to look."""
    suffix, path = Path(text).suffix.lower(), Path(text).expanduser()
    if text.startswith("hf://datasets/") and suffix not in _BY_SUFFIX:
        return SourceKind.HUGGINGFACE
    if is_url(text):
        return _BY_SUFFIX.get(suffix, SourceKind.FOLDER)
    if path.is_dir():
        return None
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if glob.has_magic(text) or (suffix in IMAGE_SUFFIXES and path.is_file()):
        return SourceKind.FILES
    return SourceKind.PYTHON if _PYTHON.fullmatch(text) and not path.exists() else None
