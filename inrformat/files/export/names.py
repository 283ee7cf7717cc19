"""Names of exported files, from the names that an .inrd holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain, count
from pathlib import PurePosixPath

from inrformat.container.targets import NAME_FIELD
from inrformat.data.dataset import InrdDataset
from inrformat.errors import InvalidFileError

__all__ = ["image_names", "source_names"]


def source_names(dataset: InrdDataset) -> list[str]:
    """Stored names, or numbers below the class folders where a file has none."""
    stored = dataset.reader.text_field(NAME_FIELD)
    if stored is not None:
        return list(stored)
    digits = len(str(len(dataset)))
    folders = [f"{dataset.classes[t]}/" if dataset.classes else "" for t in dataset.targets]
    return [f"{folder}{number:0{digits}}" for number, folder in enumerate(folders)]


def image_names(names: Sequence[str], *, suffix: str = ".png") -> list[str]:
    """Relative paths for source names: the suffix is replaced, or kept in front where two would collide.

    Raises:
        InvalidFileError: a name is absolute, empty, or climbs out of its folder.
    """
    for number, name in enumerate(names):
        path = PurePosixPath(name)
        parts = name.split("/")
        if path.is_absolute() or not name or "\\" in name or "\0" in name or any(p in ("", ".", "..") for p in parts):
            raise InvalidFileError("NAME-SAFE", f"record {number}: unsafe name {name!r}")
    short = [str(PurePosixPath(name).with_suffix(suffix)) for name in names]
    counts = Counter(short)
    taken = {s for s in short if counts[s] == 1}
    result = []
    for name, plain in zip(names, short, strict=True):
        longer = chain([f"{name}{suffix}"], (f"{name}.{k}{suffix}" for k in count(1)))
        chosen = plain if counts[plain] == 1 else next(c for c in longer if c not in taken)
        taken.add(chosen)
        result.append(chosen)
    return result
