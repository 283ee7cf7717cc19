"""From a path or a URL to its bytes."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from inrformat.storage.local import LocalFile
from inrformat.storage.remote import RemoteFile
from inrformat.storage.source import ByteSource

__all__ = ["is_url", "open_source", "size_of"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is text that starts as a URL does, ``s3://`` say, or as chained ones of fsspec, ``zip::``."""
    return isinstance(path, str) and _URL.match(path) is not None


def open_source(
    path: str | os.PathLike[str], *, storage_options: Mapping[str, Any] | None = None, local_files_only: bool = False
) -> ByteSource:
    """Open a local file, or one that is elsewhere.

    Args:
        storage_options: credentials and the like, for the file system that fsspec has for a URL.
        local_files_only: of a URL, only what is in the cache; so too where ``INRFORMAT_OFFLINE`` is 1.

    Raises:
        OSError: a local file cannot be opened. RemoteError, UsageError: see `RemoteFile`.
    """
    if not is_url(path):
        return LocalFile(Path(path))
    only_cached = local_files_only or os.environ.get("INRFORMAT_OFFLINE") == "1"
    return RemoteFile(str(path), storage_options=storage_options, only_cached=only_cached)


def size_of(path: str | os.PathLike[str]) -> int:
    """The size of a file, here or at a URL, in bytes. Raises: as `open_source`."""
    with closing(open_source(path)) as source:
        return source.size_bytes
