"""What a reader needs of the place a file lies in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

__all__ = ["ByteSource"]


class ByteSource(Protocol):
    """Random access to the bytes of one file. Threads and forked processes may share a source.

    Attributes:
        path: the file, as messages name it: a path, or the URL as it was given.
        size_bytes: of the whole file.
    """

    path: Path | str
    size_bytes: int

    def read_at(self, offset_bytes: int, size_bytes: int) -> bytes:
        """Exactly ``size_bytes`` bytes from ``offset_bytes``.

        Raises:
            TruncatedFileError: a local file ends before. RemoteError: they cannot be fetched.
        """

    def read_ranges(self, offsets_bytes: Sequence[int], sizes_bytes: Sequence[int]) -> Iterator[bytes]:
        """What `read_at` gives for each offset and size, in as few requests as may be. Raises: as `read_at`."""

    def check_unchanged(self) -> None:
        """Ask whether the file is still the one that was opened; called where bytes fail their checksum.

        Raises:
            InvalidFileError: FILE-CHANGED, it was replaced.
        """

    def close(self) -> None:
        """Let go of the file; reading afterwards raises ValueError."""
