"""Whole files, here or elsewhere: opened to be read from their beginning."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from inrformat.errors import RemoteError, UsageError
from inrformat.storage.opening import is_url

__all__ = ["file_system", "open_binary", "read_whole"]


def open_binary(path: str | Path, *, storage_options: Mapping[str, Any] | None = None) -> BinaryIO:
    """Open a file or URL for reading; it can be sought in.

    Raises:
        OSError: a local file cannot be opened. RemoteError, UsageError: a URL cannot.
    """
    if not is_url(path):
        return Path(path).open("rb")
    system, inside = file_system(str(path), storage_options=storage_options)
    try:
        return cast(BinaryIO, system.open(inside, "rb"))
    except Exception as error:
        raise RemoteError(f"{path}: cannot be read ({type(error).__name__}: {error})") from error


def file_system(url: str, *, storage_options: Mapping[str, Any] | None = None) -> tuple[Any, str]:
    """The file system that fsspec has for a URL, and the path there.

    Raises:
        UsageError: the library for such URLs is missing, or there is none.
    """
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(url, **dict(storage_options or {}))
    except (ImportError, ValueError) as error:
        raise UsageError(f'{url}: {error}; pip install "inrformat[remote]" and what fsspec asks for') from error
    return system, path


def read_whole(system: Any, path: str, *, url: str) -> io.BytesIO:
    """All bytes of a file on a file system of fsspec. ``url``: its name, for messages.

    Raises:
        RemoteError: they cannot be had.
    """
    try:
        return io.BytesIO(system.cat_file(path))
    except Exception as error:  # of the file system's own kinds
        raise RemoteError(f"{url}: cannot be read ({type(error).__name__}: {error})") from error
