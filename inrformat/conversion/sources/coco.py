"""COCO data sets as folders: ``annotations/*.json`` beside folders of images, one for each split."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from inrformat.conversion.annotations.coco import read_coco
from inrformat.conversion.sources.annotated import annotated
from inrformat.conversion.sources.folder import images_below
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.splits import chosen_split
from inrformat.errors import SourceError

__all__ = ["looks_like_coco", "scan_coco"]

_KINDS = ("instances", "person_keypoints", "captions")
"""Beginnings of COCO's file names. Keypoints repeat the persons among the instances."""


def looks_like_coco(root: Path) -> bool:
    """Whether a folder has the layout."""
    return (root / "annotations").is_dir() and any((root / "annotations").glob("*.json"))


def scan_coco(root: Path, *, split: str | None = None) -> ListedSource:
    """The images of one split, with objects and captions.

    Args:
        split: what follows the kind in the names of the annotation files, such as "val2017"; None where there is one.

    Raises:
        SourceError: there is no such split or no folder of its images; or as in `read_coco`.
    """
    by_split: dict[str, dict[str, Path]] = defaultdict(dict)
    for file in sorted((root / "annotations").glob("*.json")):
        kind, name = _kind_and_split(file.stem)
        by_split[name][kind] = file
    name = chosen_split(root, by_split, split)
    files = by_split[name]
    left_out = files.pop("person_keypoints", None) if "instances" in files else None
    folder = next((f for f in (root / name, root / "images" / name, root / "images", root) if _has_images(f)), None)
    if folder is None:
        raise SourceError(f"{root}: no images in {name}, images/{name} or images")
    found = images_below(folder)
    source = annotated(found.listed(found.images), read_coco(list(files.values())))
    remark = f"left out {left_out}: its persons are among the instances; --annotations {left_out} takes it alone"
    return source if left_out is None else source.with_remarks(remark)


def _kind_and_split(stem: str) -> tuple[str, str]:
    for kind in _KINDS:
        if stem.startswith(f"{kind}_"):
            return kind, stem.removeprefix(f"{kind}_")
    return "instances", stem


def _has_images(folder: Path) -> bool:
    return folder.is_dir() and bool(images_below(folder).images)
