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
"""Beginnings of COCO's file names, in the order in which files complete each other."""
_OTHER_KINDS = ("panoptic", "stuff", "image_info")


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
    usable = [name for name, files in by_split.items() if not files.keys() <= set(_OTHER_KINDS)]
    if not usable:
        raise SourceError(f"{root / 'annotations'}: no instances_*.json, person_keypoints_*.json or captions_*.json")
    name = chosen_split(root, usable, split)
    files = by_split[name]
    folder = next((f for f in (root / name, root / "images" / name, root / "images", root) if _has_images(f)), None)
    if folder is None:
        raise SourceError(f"{root}: no images in {name}, images/{name} or images")
    found = images_below(folder)
    source = annotated(found.listed(found.images), read_coco([files[kind] for kind in _KINDS if kind in files]))
    return source.with_remarks(*(f"left out {files[kind]}: not read" for kind in _OTHER_KINDS if kind in files))


def _kind_and_split(stem: str) -> tuple[str, str]:
    for kind in (*_KINDS, *_OTHER_KINDS):
        if stem.startswith(f"{kind}_"):
            return kind, stem.removeprefix(f"{kind}_")
    return "instances", stem


def _has_images(folder: Path) -> bool:
    return folder.is_dir() and bool(images_below(folder).images)
