"""Blocks of remote files kept on this machine, each version of a file apart from every other.

A block is a file: ``CACHE/<hash of the URL>/<hash of the version>/<block number>``. Blocks come into being whole, by a
rename, so processes share the cache without locks; what is not exactly as long as it must be is no block.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from inrformat.errors import UsageError

__all__ = ["BLOCK_BYTES", "BlockCache", "Version", "cache_limit_bytes", "cache_root"]

BLOCK_BYTES = 1 << 16
"""What is fetched and kept at once. At 50 MB/s a block takes 1.3 ms, little beside a round trip."""

_DEFAULT_LIMIT_BYTES = 10 << 30
_SCANS_PER_LIMIT = 16
"""How often the cache is measured while as much as it may hold is written."""


@dataclass(frozen=True, slots=True)
class Version:
    """Which content a URL has: its size, and what the server calls it, where it does (an ETag, a checksum, a date)."""

    size_bytes: int
    validator: str | None


def cache_root() -> Path:
    """The folder of the cache: ``INRFORMAT_CACHE``, or ``inrformat`` in the user's cache folder."""
    given = os.environ.get("INRFORMAT_CACHE")
    if given:
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "inrformat"


def cache_limit_bytes() -> int:
    """What the cache may hold: ``INRFORMAT_CACHE_BYTES``, 10 GiB by default.

    Raises:
        UsageError: the variable is no whole number of bytes.
    """
    given = os.environ.get("INRFORMAT_CACHE_BYTES")
    if not given:
        return _DEFAULT_LIMIT_BYTES
    if not given.isdecimal():
        raise UsageError(f"INRFORMAT_CACHE_BYTES is {given!r}: give a whole number of bytes")
    return int(given)


class BlockCache:
    """The blocks of one URL. Without a validator nothing is kept: another version could not be told from this one."""

    def __init__(self, url: str, *, root: Path, limit_bytes: int) -> None:
        self._root, self._limit_bytes = root, limit_bytes
        self._folder = root / _digest(url)
        self._unmeasured_bytes = limit_bytes  # the first block written has the cache measured

    def last_version(self) -> Version | None:
        """The version that was opened last, for work offline; None where there is none, or its entry is damaged."""
        try:
            return Version(**json.loads((self._folder / "version.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def remember(self, version: Version) -> None:
        """Note the version that a URL has now."""
        if version.validator is not None:
            self._write(self._folder / "version.json", json.dumps(asdict(version)).encode())

    def get(self, version: Version, number: int, size_bytes: int) -> bytes | None:
        """A block, or None where it is not there whole."""
        path = self._path(version, number)
        try:
            data = path.read_bytes()
            os.utime(path)  # what was used last is evicted last
        except OSError:
            return None
        return data if len(data) == size_bytes else None

    def put(self, version: Version, number: int, data: bytes) -> None:
        """Keep a block."""
        if version.validator is None:
            return
        self._write(self._path(version, number), data)
        self._unmeasured_bytes += len(data)
        if self._unmeasured_bytes * _SCANS_PER_LIMIT > self._limit_bytes:
            self._evict()
            self._unmeasured_bytes = 0

    def forget(self, version: Version) -> None:
        """Drop the blocks of one version."""
        shutil.rmtree(self._path(version, 0).parent, ignore_errors=True)

    def _path(self, version: Version, number: int) -> Path:
        return self._folder / _digest(f"{version.size_bytes} {version.validator}") / str(number)

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{secrets.token_hex(8)}.partial")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _evict(self) -> None:
        """Remove blocks, the least recently used first, until the cache is within its limit."""
        found = []
        for path in self._root.glob("*/*/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process evicts too
                continue
            found.append((status.st_mtime_ns, status.st_size, path))
        excess_bytes = sum(size for _, size, _ in found) - self._limit_bytes
        for _, size, path in sorted(found):
            if excess_bytes <= 0:
                return
            path.unlink(missing_ok=True)
            excess_bytes -= size


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
