"""A file that is elsewhere: blocks of it, fetched over fsspec as they are needed and kept in the local cache."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from inrformat.errors import InvalidFileError, RemoteError
from inrformat.storage.cache import BLOCK_BYTES, BlockCache, Version, cache_limit_bytes, cache_root
from inrformat.storage.connection import Connection

__all__ = ["RemoteFile"]

_GAP_BLOCKS = 2
"""Blocks that nobody asked for are fetched along, up to so many in a row, where that saves a request."""
_REQUEST_BLOCKS = 64
"""Longer runs are split, and their parts fetched side by side."""
_REQUESTS_AT_ONCE = 16


class RemoteFile:
    """A file at a URL, a `ByteSource`. A forked process makes connections of its own."""

    def __init__(
        self, url: str, *, storage_options: Mapping[str, Any] | None = None, only_cached: bool = False
    ) -> None:
        """Ask which content the URL has; nothing is fetched yet.

        Args:
            storage_options: for the file system of fsspec. only_cached: use no network.

        Raises:
            RemoteError: there is no such file, no answer, or nothing of it in the cache where only that may be used.
            UsageError: the library for such URLs is missing.
        """
        self.path: Path | str = url
        self._options = dict(storage_options or {})
        self._only_cached = only_cached
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._closed = False
        self._cache = BlockCache(url, root=cache_root(), limit_bytes=cache_limit_bytes())
        self._version = self._cached_version() if only_cached else self._current_version()
        if not only_cached:
            self._cache.remember(self._version)
        self.size_bytes = self._version.size_bytes

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Exactly ``size_bytes`` bytes from ``offset_bytes``."""
        (data,) = self.read_ranges([offset_bytes], [size_bytes])
        return data

    def read_ranges(self, offsets_bytes: Sequence[int], sizes_bytes: Sequence[int]) -> Iterator[bytes]:
        """Several ranges: their blocks, neighbours in one request, requests side by side."""
        if self._closed:
            raise ValueError(f"{self.path} was closed")
        spans = [_blocks(offset, size) for offset, size in zip(offsets_bytes, sizes_bytes, strict=True)]
        blocks = self._blocks({number for span in spans for number in span})
        return iter(
            [
                _cut(blocks, span, offset, size)
                for span, offset, size in zip(spans, offsets_bytes, sizes_bytes, strict=True)
            ]
        )

    def check_unchanged(self) -> None:
        """Compare the version with that of now; what was cached of the opened one may be mixed, and is dropped."""
        self._cache.forget(self._version)
        if not self._only_cached and self._current_version() != self._version:
            raise InvalidFileError(
                "FILE-CHANGED", "the file was replaced while it was read: open it anew", path=self.path
            )

    def close(self) -> None:
        """Forget the connections; fsspec keeps and closes them."""
        self._closed = True
        self._connection = None

    def _blocks(self, numbers: set[int]) -> dict[int, bytes]:
        cached = {number: self._cache.get(self._version, number, self._block_bytes(number)) for number in numbers}
        found = {number: data for number, data in cached.items() if data is not None}
        missing = sorted(numbers - found.keys())
        if not missing:
            return found
        if self._only_cached:
            raise self._absent(f"byte {missing[0] * BLOCK_BYTES} and what follows")
        runs = _runs(missing)
        with ThreadPoolExecutor(min(len(runs), _REQUESTS_AT_ONCE)) as pool:
            for run, data in zip(runs, pool.map(self._fetch_run, runs), strict=True):
                for place, number in enumerate(run):
                    block = data[place * BLOCK_BYTES : (place + 1) * BLOCK_BYTES]
                    self._cache.put(self._version, number, block)
                    found[number] = block
        return found

    def _block_bytes(self, number: int) -> int:
        return min(BLOCK_BYTES, self.size_bytes - number * BLOCK_BYTES)

    def _fetch_run(self, run: range) -> bytes:
        start, end = run.start * BLOCK_BYTES, min(run.stop * BLOCK_BYTES, self.size_bytes)
        return self._connected().fetch(start, end, file_bytes=self.size_bytes)

    def _current_version(self) -> Version:
        return self._connected().version()

    def _cached_version(self) -> Version:
        version = self._cache.last_version()
        if version is None:
            raise self._absent("every byte")
        return version

    def _connected(self) -> Connection:
        with self._lock:
            if self._connection is None or self._connection.process != os.getpid():
                self._connection = Connection(str(self.path), self._options)
            return self._connection

    def _absent(self, what: str) -> RemoteError:
        remedy = "read it once with a network, or leave out local_files_only and INRFORMAT_OFFLINE"
        return RemoteError(f"{self.path}: {what} is missing in the cache {cache_root()}: {remedy}")


def _blocks(offset_bytes: int, size_bytes: int) -> range:
    """The blocks that hold a range."""
    return (
        range(offset_bytes // BLOCK_BYTES, -(-(offset_bytes + size_bytes) // BLOCK_BYTES)) if size_bytes else range(0)
    )


def _cut(blocks: Mapping[int, bytes], span: range, offset_bytes: int, size_bytes: int) -> bytes:
    start = offset_bytes - span.start * BLOCK_BYTES
    return b"".join(blocks[number] for number in span)[start : start + size_bytes]


def _runs(numbers: Sequence[int]) -> list[range]:
    """Ascending block numbers as what to ask for in one request each."""
    runs = [range(numbers[0], numbers[0] + 1)]
    for number in numbers[1:]:
        last = runs[-1]
        if number - last.stop <= _GAP_BLOCKS and number - last.start < _REQUEST_BLOCKS:
            runs[-1] = range(last.start, number + 1)
        else:
            runs.append(range(number, number + 1))
    return runs
