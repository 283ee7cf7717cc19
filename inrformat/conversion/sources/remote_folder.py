"""Folders that are elsewhere, listed and read through fsspec: class folders or flat ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from inrformat.container.fields import Field, FieldType
from inrformat.container.targets import LABEL_FIELD
from inrformat.conversion.pixels.read import IMAGE_SUFFIXES, ImageFile
from inrformat.conversion.sources.listed import ListedSource
from inrformat.errors import RemoteError, SourceError
from inrformat.storage.whole import file_system, read_whole

__all__ = ["scan_remote_folder"]


def scan_remote_folder(url: str, *, storage_options: Mapping[str, Any] | None = None) -> ListedSource:
    """List the images below a URL, as ``scan_folder`` does here.

    Raises:
        RemoteError: it cannot be listed. UsageError: the library for such URLs is missing.
        SourceError: there are no images, or some at both levels.
    """
    system, root = file_system(url, storage_options=storage_options)
    try:
        paths = sorted(str(path) for path in system.find(root))
    except Exception as error:  # of the file system's own kinds
        raise RemoteError(f"{url}: cannot be listed ({type(error).__name__}: {error})") from error
    prefix = root.rstrip("/") + "/"
    inside = [path.removeprefix(prefix) for path in paths]
    names = [name for name in inside if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES]
    others = Counter(PurePosixPath(name).suffix.lower() for name in inside if name not in set(names))
    if not names:
        raise SourceError(f"{url}: no images found")
    folders = sorted({name.partition("/")[0] for name in names if "/" in name})
    if folders and any("/" not in name for name in names):
        raise SourceError(f"{url}: images both in it and in its sub-folders; convert one of the two")
    numbers = {folder: number for number, folder in enumerate(folders)}
    labels = [numbers[name.partition("/")[0]] for name in names] if folders else []
    kinds = ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in others.most_common(8))

    def image(name: str) -> ImageFile:
        return read_whole(system, prefix + name, url=f"{url.rstrip('/')}/{name}")

    return ListedSource(
        place=url,
        names=tuple(names),
        image=image,
        classes=tuple(folders),
        fields=(Field(LABEL_FIELD, FieldType.INT64, labels),) if folders else (),
        remarks=(f"left out files that are no images by their suffix: {kinds}",) if others else (),
    )
