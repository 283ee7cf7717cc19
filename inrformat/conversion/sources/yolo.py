"""YOLO data sets: ``images`` beside ``labels``, the same folders in both; a ``data.yaml`` names splits and classes.

The label file of an image has the image's path with ``labels`` for the last ``images``, as ultralytics has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os.path import commonpath
from pathlib import Path
from typing import Any

from inrformat.conversion.annotations.class_names import keypoint_shape_in, names_in, read_class_names, read_yaml_map
from inrformat.conversion.annotations.yolo import label_files, read_label_files
from inrformat.conversion.sources.annotated import annotated
from inrformat.conversion.sources.folder import Found, images_below
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.splits import chosen_split
from inrformat.errors import SourceError

__all__ = ["looks_like_yolo", "scan_yolo"]

_IMAGES, _LABELS = "images", "labels"
_YAML, _LIST = {".yaml", ".yml"}, ".txt"
_SPLIT_KEYS = ("train", "val", "test")


def looks_like_yolo(root: Path) -> bool:
    """Whether a folder, or a ``data.yaml``, has the layout: labels beside the images."""
    if root.suffix.lower() in _YAML and root.is_file():
        return True
    return any(_labels_of(folder) is not None for folder in _folders_of(root).values())


def scan_yolo(root: Path, *, split: str | None = None, classes: tuple[str, ...] = ()) -> ListedSource:
    """The images of one split with their objects.

    Args:
        root: the folder that holds ``images`` and ``labels`` or a ``data.yaml``, one of the folders inside ``images``,
            a ``data.yaml``, or a text file that lists images.
        split: a folder inside ``images``, or a key of ``data.yaml``; None where there is one.
        classes: names by number, before those of a ``data.yaml`` or of ``classes.txt`` among the labels.

    Raises:
        SourceError: there is no such split, or no labels beside its images; or as in `read_yolo`.
    """
    file = _config_file(root)
    config = read_yaml_map(file) if file is not None else {}
    places = _places(root, config, file, split)
    found = _found(places)
    labels = {name: label for name in found.images if (label := _labels_of(found.folder / name)) is not None}
    if not labels:
        raise SourceError(f"{places[0]}: no labels beside it (looked where {_IMAGES} is {_LABELS} in its path)")
    _refuse_shared(labels)
    names = classes or (names_in(config, file) if file is not None else ()) or _names_beside(places)
    read = read_label_files(
        labels,
        place=" and ".join(map(str, places)),
        own_suffixes=False,
        classes=names,
        keypoint_shape=keypoint_shape_in(config, file) if file is not None else None,
    )
    source = annotated(found.listed(found.images), read)
    folders = [folder for place in places if (folder := _labels_of(place)) is not None and folder.is_dir()]
    absent = sorted({file for folder in folders for file in label_files(folder)} - set(labels.values()))
    if not absent:
        return source
    return source.with_remarks(f"{len(absent)} label files are of images that are not here, the first {absent[0]}")


def _config_file(root: Path) -> Path | None:
    """The ``data.yaml`` of a set: the one given, or beside its ``images``."""
    if root.is_file():
        return root if root.suffix.lower() in _YAML else None
    parts = root.absolute().parts
    above = [Path(*parts[:k]) for k in reversed(range(1, len(parts))) if parts[k] == _IMAGES]
    for folder in (root, *above[:1]):
        files = sorted(f for f in folder.glob("*.y*ml") if f.suffix.lower() in _YAML)
        for file in sorted(files, key=lambda f: f.stem not in {"data", "dataset"}):
            if "names" in read_yaml_map(file):
                return file
    return None


def _places(root: Path, config: Mapping[str, Any], file: Path | None, split: str | None) -> list[Path]:
    """Folders of images, and text files that list some, of a split."""
    stated = {key: config[key] for key in _SPLIT_KEYS if config.get(key)}
    if file is not None and stated and file in {root, root / file.name}:
        entries = stated[chosen_split(root, stated, split)]
        return [_stated(str(e), config, file) for e in (entries if isinstance(entries, list) else [entries])]
    if not root.exists():
        raise SourceError(f"{root}: no such file or folder")
    if root.is_file():
        return [root]
    folders = _folders_of(root)
    return [folders[chosen_split(root, folders, split)]] if folders else [root]


def _stated(entry: str, config: Mapping[str, Any], file: Path) -> Path:
    """Where an entry of a ``data.yaml`` lies: below its ``path``, or below the file itself where the set was moved."""
    above = file.parent / str(config.get("path") or ".")
    tries = [above / entry, file.parent / entry, file.parent / entry.removeprefix("../")]
    place = next((p for p in tries if p.exists()), None)
    if place is None:
        raise SourceError(f"{file}: {entry} is not there (looked at {tries[0]}); mend its path")
    return place


def _folders_of(root: Path) -> dict[str, Path]:
    """Folders of images by split: inside ``images``, ``images`` inside folders of their own, or ``images`` alone."""
    if not root.is_dir():
        return {}
    images = root / _IMAGES
    if images.is_dir():
        return {p.name: p for p in sorted(images.iterdir()) if p.is_dir()} or {_IMAGES: images}
    apart = {p.parent.name: p for p in sorted(root.glob(f"*/{_IMAGES}")) if (p.parent / _LABELS).is_dir()}
    if apart:
        return apart
    return {root.name: root} if _labels_of(root) is not None else {}


def _found(places: Sequence[Path]) -> Found:
    """The images of folders and lists; named from the folder that holds all of them."""
    parts = [_of_list(place) if place.is_file() else images_below(place) for place in places]
    if len(parts) == 1 and not places[0].is_file():
        return parts[0]
    files = [(part.folder / name).absolute() for part in parts for name in part.images]
    if not files:
        raise SourceError(f"{places[0]}: no images")
    if len(set(files)) < len(files):
        raise SourceError(f"{places[0]}: an image is listed twice")
    folder = Path(commonpath([file.parent for file in files]))
    found = Found(folder, [file.relative_to(folder).as_posix() for file in files])
    for part in parts:
        found.others += part.others
        found.hidden += part.hidden
        found.loops += part.loops
    return found


def _of_list(file: Path) -> Found:
    """The images that a text file names, one a line, from its own folder on."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file}: unreadable list of images ({error})") from error
    for number, line in enumerate(lines, start=1):
        if line and not (file.parent / line).is_file():
            raise SourceError(f"{file}, line {number}: no image {line}")
    return Found(file.parent, [line for line in lines if line])


def _labels_of(images: Path) -> Path | None:
    """The labels of an image or of a folder of images, if there are any."""
    parts = images.absolute().parts
    last = next((k for k in reversed(range(len(parts))) if parts[k] == _IMAGES), None)
    if last is None:
        return None
    beside = Path(*parts[:last], _LABELS, *parts[last + 1 :])
    if images.is_dir():
        return beside if beside.is_dir() else None
    label = beside.with_suffix(".txt")
    return label if label.is_file() else None


def _refuse_shared(labels: Mapping[str, Path]) -> None:
    image_of: dict[Path, str] = {}
    for name, label in labels.items():
        if image_of.setdefault(label, name) != name:
            raise SourceError(f"{label}: may belong to {image_of[label]} or to {name}; rename or remove one of the two")


def _names_beside(places: Sequence[Path]) -> tuple[str, ...]:
    """Class names of a ``classes.txt`` among the labels."""
    for place in places:
        labels = _labels_of(place)
        for folder in (labels, labels.parent) if labels is not None else ():
            if (folder / "classes.txt").is_file():
                return read_class_names(folder / "classes.txt")
    return ()
