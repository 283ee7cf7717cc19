"""Single image files, by name or pattern."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from inrformat.conversion.sources.folder import Found
from inrformat.conversion.sources.listed import ListedSource
from inrformat.errors import SourceError

__all__ = ["scan_files"]


def scan_files(files: Sequence[Path]) -> ListedSource:
    """Image files in the order given; their names are relative to the folder that holds them all.

    Raises:
        SourceError: one is not there, or is named twice.
    """
    paths = [Path(os.path.abspath(file)) for file in files]  # noqa: PTH100  # links keep their own names
    for path in paths:
        if not path.is_file():
            raise SourceError(f"{path}: no such file")
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    return Found(folder).listed([path.relative_to(folder).as_posix() for path in paths])
