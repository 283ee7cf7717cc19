"""Paths of files that are to be written: never over another, and only where there is a folder for them."""

from __future__ import annotations

import os
from pathlib import Path

from inrformat.errors import OutputExistsError, SourceError

__all__ = ["new_file"]


def new_file(path: str | os.PathLike[str]) -> Path:
    """The path, if a file can be written there.

    Raises:
        OutputExistsError: it is taken. SourceError: its folder is not there.
    """
    found = Path(path)
    if found.exists():
        raise OutputExistsError(f"{found} exists: remove it first or choose another name")
    if not found.parent.is_dir():
        raise SourceError(f"{found.parent}: no such folder for {found.name}; create it first")
    return found
