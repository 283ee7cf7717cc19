"""Pascal VOC data sets: ``JPEGImages``, ``Annotations`` and lists of splits in ``ImageSets/Main``."""

from __future__ import annotations

from pathlib import Path

from inrformat.conversion.annotations.voc import read_voc
from inrformat.conversion.sources.annotated import annotated
from inrformat.conversion.sources.folder import images_below
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.splits import chosen_split
from inrformat.errors import SourceError

__all__ = ["looks_like_voc", "scan_voc"]

_IMAGES, _ANNOTATIONS, _LISTS = "JPEGImages", "Annotations", "ImageSets/Main"


def looks_like_voc(root: Path) -> bool:
    """Whether a folder has the layout."""
    return (root / _IMAGES).is_dir() and (root / _ANNOTATIONS).is_dir()


def scan_voc(root: Path, *, split: str | None = None) -> ListedSource:
    """The images of one split with their objects; of all, where there are no lists of splits.

    Raises:
        SourceError: there is no such split, or an image of it is missing; or as in `read_voc`.
    """
    # Lists such as cat_train.txt are of one class.
    lists = {f.stem: f for f in sorted((root / _LISTS).glob("*.txt")) if "_" not in f.stem}
    found = images_below(root / _IMAGES)
    paths, place = found.images, str(root)
    if lists or split is not None:
        name = chosen_split(root, lists, split)
        place = f"{root} ({name})"
        paths = _listed(lists[name], found.images)
    stems = {Path(path).stem for path in paths}
    files = [f for f in sorted((root / _ANNOTATIONS).glob("*.xml")) if f.stem in stems]
    return annotated(found.listed(paths), read_voc(files, place=place))


def _listed(file: Path, images: list[str]) -> list[str]:
    """Images by the names in a list."""
    by_stem = {Path(path).stem: path for path in images}
    stems = [line.split()[0] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    if missing := [stem for stem in stems if stem not in by_stem]:
        raise SourceError(f"{file}: no image {missing[0]} in {_IMAGES} ({len(missing)} of {len(stems)} are missing)")
    return [by_stem[stem] for stem in stems]
