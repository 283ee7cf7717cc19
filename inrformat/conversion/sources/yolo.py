"""YOLO data sets: ``images`` beside ``labels``, with the same folders in both; a ``data.yaml`` names classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inrformat.conversion.annotations.class_names import names_in, read_yaml_map
from inrformat.conversion.annotations.yolo import read_yolo
from inrformat.conversion.sources.annotated import annotated
from inrformat.conversion.sources.folder import images_below
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.splits import chosen_split
from inrformat.errors import SourceError

__all__ = ["looks_like_yolo", "scan_yolo"]

_IMAGES, _LABELS = "images", "labels"


def looks_like_yolo(root: Path) -> bool:
    """Whether a folder, or a ``data.yaml``, has the layout: labels beside the images."""
    if root.suffix.lower() in {".yaml", ".yml"}:
        return True
    return _labels_of(root) is not None or ((root / _IMAGES).is_dir() and (root / _LABELS).is_dir())


def scan_yolo(root: Path, *, split: str | None = None, classes: tuple[str, ...] = ()) -> ListedSource:
    """The images of one split with their objects.

    Args:
        root: the folder that holds ``images`` and ``labels``, one of the folders inside ``images``, or a ``data.yaml``.
        split: a folder inside ``images``, or a key of ``data.yaml``; None where there is one.
        classes: names by number, before those of a ``data.yaml``.

    Raises:
        SourceError: there is no such split, or no labels beside its images; or as in `read_yolo`.
    """
    config_file = root if root.is_file() else next(iter(sorted([*root.glob("*.yaml"), *root.glob("*.yml")])), None)
    config = read_yaml_map(config_file) if config_file is not None else {}
    folder = _images(root, config, config_file, split)
    labels = _labels_of(folder)
    if labels is None:
        raise SourceError(f"{folder}: no labels beside it (looked where {_IMAGES} is {_LABELS} in its path)")
    found = images_below(folder)
    names = classes or names_in(config, config_file or root)
    shape = config.get("kpt_shape")
    read = read_yolo(labels, classes=names, keypoint_shape=(int(shape[0]), int(shape[1])) if shape else None)
    return annotated(found.listed(found.images), read)


def _images(root: Path, config: Mapping[str, Any], config_file: Path | None, split: str | None) -> Path:
    """The folder of images of a split."""
    named: dict[str, str] = {key: config[key] for key in ("train", "val", "test") if isinstance(config.get(key), str)}
    if config_file is not None and named:
        path = Path(str(config.get("path") or "."))
        base = path if path.is_absolute() else config_file.parent / path
        folder = base / named[chosen_split(root, named, split)]
        if not folder.is_dir():
            raise SourceError(f"{config_file}: its folder {folder} is not there")
        return folder
    if not (root / _IMAGES).is_dir():
        return root
    inside = [p.name for p in sorted((root / _IMAGES).iterdir()) if p.is_dir()]
    return root / _IMAGES / chosen_split(root, inside, split) if inside else root / _IMAGES


def _labels_of(images: Path) -> Path | None:
    """Where the labels of a folder of images lie: the last ``images`` in its path is ``labels`` there."""
    parts = list(images.absolute().parts)
    for k in reversed(range(len(parts))):
        if parts[k] == _IMAGES:
            folder = Path(*parts[:k], _LABELS, *parts[k + 1 :])
            return folder if folder.is_dir() else None
    return None
