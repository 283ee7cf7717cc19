"""Pascal VOC data sets: ``JPEGImages``, ``Annotations``, ``SegmentationClass`` and lists of splits in ``ImageSets``."""

from __future__ import annotations

from pathlib import Path

from inrformat.conversion.annotations.annotation import Annotation
from inrformat.conversion.annotations.annotation_set import AnnotationSet, origin_of
from inrformat.conversion.annotations.masks import masks_below
from inrformat.conversion.annotations.voc import read_voc, voc_classes
from inrformat.conversion.sources.annotated import annotated
from inrformat.conversion.sources.folder import images_below
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.splits import chosen_split
from inrformat.errors import SourceError

__all__ = ["looks_like_voc", "scan_voc"]

_IMAGES, _ANNOTATIONS, _MASKS = "JPEGImages", "Annotations", "SegmentationClass"
_LISTS, _MASK_LISTS = "ImageSets/Main", "ImageSets/Segmentation"


def looks_like_voc(root: Path) -> bool:
    """Whether a folder has the layout."""
    return (root / _IMAGES).is_dir() and (root / _ANNOTATIONS).is_dir()


def scan_voc(root: Path, *, split: str | None = None, classes: tuple[str, ...] = ()) -> ListedSource:
    """The images of one split with their objects; of all, where there are no lists of splits.

    Semantic masks are taken along where every image of the split has one.

    Args:
        split: "train", say, from ``ImageSets/Main``, or "Segmentation/train"; None where there is one.
        classes: names by number; without any, those of all splits, see `voc_classes`.

    Raises:
        SourceError: there is no such split, or an image of it is missing; or as in `read_voc`.
    """
    lists = _lists_of(root)
    found = images_below(root / _IMAGES)
    paths, place = found.images, str(root)
    if lists or split is not None:
        name = chosen_split(root, lists, split)
        place = f"{root} ({name})"
        paths = _listed(lists[name], found.images)
    stems = {Path(path).stem for path in paths}
    every = sorted((root / _ANNOTATIONS).glob("*.xml"))
    files = {file.name: file for file in every if file.stem in stems}
    sets = [read_voc(files, place=place, classes=classes or voc_classes(every))]
    masks = [file for file in masks_below(root / _MASKS) if file.stem in stems]
    if len(masks) == len(stems):
        sets.append(_mask_set(root, masks))
    source = annotated(found.listed(paths), *sets)
    if not 0 < len(masks) < len(stems):
        return source
    some = f"{len(masks)} of {len(stems)} images have masks in {_MASKS}"
    return source.with_remarks(f"{some}, which are left out; --split Segmentation/NAME takes images that have them")


def _lists_of(root: Path) -> dict[str, Path]:
    """The lists of images by the names of their splits; lists such as cat_train, which are of one class, left out."""
    lists = {file.stem: file for file in sorted((root / _LISTS).glob("*.txt"))}
    for file in sorted((root / _MASK_LISTS).glob("*.txt")):
        lists[f"Segmentation/{file.stem}"] = file
    return {name: file for name, file in lists.items() if name.rpartition("_")[2] not in lists or "_" not in name}


def _listed(file: Path, images: list[str]) -> list[str]:
    """Images by the names in a list."""
    by_stem = {Path(path).stem: path for path in images}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file}: unreadable list of images ({error})") from error
    stems = list(dict.fromkeys(line.split()[0] for line in lines if line.strip()))
    if missing := [stem for stem in stems if stem not in by_stem]:
        raise SourceError(f"{file}: no image {missing[0]} in {_IMAGES} ({len(missing)} of {len(stems)} are missing)")
    return [by_stem[stem] for stem in stems]


def _mask_set(root: Path, files: list[Path]) -> AnnotationSet:
    return AnnotationSet(
        place=str(root / _MASKS),
        kind="masks",
        by_path={file.name: Annotation(mask=file) for file in files},
        own_suffixes=True,
        origin=origin_of(files),
    )
