"""A file of this machine, read by position."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from inrformat.errors import TruncatedFileError

__all__ = ["LocalFile"]


class LocalFile:
    """An open local file, a `ByteSource`."""

    def __init__(self, path: Path) -> None:
        """Raises: FileNotFoundError and other OSError."""
        self.path: Path | str = path
        self._lock = threading.Lock()
        self._file = path.open("rb", buffering=0)
        self.size_bytes = os.fstat(self._file.fileno()).st_size

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Exactly ``size_bytes`` bytes of the file from ``offset_bytes``."""
        parts = []
        while size_bytes > 0:
            part = self._read_some(offset_bytes, size_bytes)
            if not part:
                raise TruncatedFileError(
                    "FILE-SIZE", "the file became shorter while it was read", path=self.path, offset_bytes=offset_bytes
                )
            parts.append(part)
            offset_bytes += len(part)
            size_bytes -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_ranges(self, offsets_bytes: Sequence[int], sizes_bytes: Sequence[int]) -> Iterator[bytes]:
        """Each range, read on its own when it is asked for: what is checked next is still in the processor's cache."""
        return map(self.read_at, offsets_bytes, sizes_bytes)

    def check_unchanged(self) -> None:
        """An open file stays the file it was when it is replaced by another of its name."""

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_some(self, offset_bytes: int, size_bytes: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), size_bytes, offset_bytes)
        with self._lock:  # Windows, where processes never share a file position
            self._file.seek(offset_bytes)
            return self._file.read(size_bytes) or b""
