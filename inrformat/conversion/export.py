"""Data sets back to folders of PNG files."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, count
from pathlib import Path, PurePosixPath

from PIL import Image

from inrformat.data.dataset import InrdDataset
from inrformat.errors import InvalidFileError, OutputExistsError

__all__ = ["export", "png_names"]

_BATCH_IMAGES = 64


def export(dataset: InrdDataset, folder: Path, *, on_images: Callable[[int], None] = lambda _count: None) -> None:
    """Write every image of ``dataset`` (opened without transforms) as a PNG below ``folder``.

    The images appear under their final names only when all of them are written.

    Raises:
        OutputExistsError: ``folder`` exists and is not empty. InvalidFileError: a stored name would leave the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputExistsError(f"{folder} exists and is not empty: remove it first or choose another folder")
    names = png_names(_source_names(dataset))
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of an export that was killed
    partial.mkdir(parents=True)
    try:
        for first in range(0, len(dataset), _BATCH_IMAGES):
            numbers = range(first, min(first + _BATCH_IMAGES, len(dataset)))
            for number, (image, _) in zip(numbers, dataset.__getitems__(numbers), strict=True):
                target = partial / names[number]
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image.permute(1, 2, 0).cpu().numpy()).save(target)
            on_images(len(numbers))
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _source_names(dataset: InrdDataset) -> list[str]:
    """Stored names, or numbers below the class folders where a file has none."""
    stored = dataset.reader.text_field("name")
    if stored is not None:
        return list(stored)
    digits = len(str(len(dataset)))
    folders = [f"{dataset.classes[t]}/" if dataset.classes else "" for t in dataset.targets]
    return [f"{folder}{number:0{digits}}" for number, folder in enumerate(folders)]


def png_names(names: Sequence[str]) -> list[str]:
    """Relative PNG paths for source names: the suffix is replaced, or kept in front where two would collide.

    Raises:
        InvalidFileError: a name is absolute, empty, or climbs out of its folder.
    """
    for number, name in enumerate(names):
        path = PurePosixPath(name)
        parts = name.split("/")
        if path.is_absolute() or not name or "\\" in name or "\0" in name or any(p in ("", ".", "..") for p in parts):
            raise InvalidFileError("NAME-SAFE", f"record {number}: unsafe name {name!r}")
    short = [str(PurePosixPath(name).with_suffix(".png")) for name in names]
    counts = Counter(short)
    taken = {s for s in short if counts[s] == 1}
    result = []
    for name, plain in zip(names, short, strict=True):
        longer = chain([f"{name}.png"], (f"{name}.{k}.png" for k in count(1)))
        chosen = plain if counts[plain] == 1 else next(c for c in longer if c not in taken)
        taken.add(chosen)
        result.append(chosen)
    return result
