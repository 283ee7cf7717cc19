"""The journal of a conversion: what is needed to go on from the last whole piece after a kill at any moment.

A frame is ``u32 length, u32 CRC-32C, msgpack map``. The first says whose journal it is, the second what the encoder
learned, each further one a piece of images whose records are on disk. A frame is appended only when what it speaks of
is durable; a torn last frame is cut off.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping
from io import FileIO
from typing import Any

from inrformat.container.checksum import crc32c
from inrformat.container.packing import pack_map, unpack_map
from inrformat.errors import SourceError

__all__ = ["Journal"]

_FRAME = struct.Struct("<II")


class Journal:
    """Reads what former runs left in a file, then appends to it."""

    def __init__(self, file: FileIO, identity: Mapping[str, Any]) -> None:
        """The journal in ``file``, or a new one, of the conversion that ``identity`` tells from others.

        Raises:
            SourceError: it is the journal of another conversion; the message says what differs.
        """
        self._file = file
        self._file.seek(0)
        self._end_bytes = 0
        self._frames = self._stored()
        stored = next(self._frames, None)
        if stored is None:
            self._cut()
            self.append(identity)
        else:
            _check_same(stored, _as_stored(identity))
        self.learned = next(self._frames, None)

    def pieces(self) -> Iterator[dict[str, Any]]:
        """Pieces of former runs, in order; to be read to the end before anything is appended."""
        yield from self._frames
        self._cut()

    def append(self, values: Mapping[str, Any]) -> None:
        """Add a frame, and wait until it is on disk."""
        data = pack_map(values)
        frame = memoryview(_FRAME.pack(len(data), crc32c(data)) + data)
        while frame:  # an unbuffered write may be partial
            frame = frame[self._file.write(frame) :]
        os.fsync(self._file.fileno())
        self._end_bytes = self._file.tell()

    def _stored(self) -> Iterator[dict[str, Any]]:
        """Frames up to the first that is not whole."""
        while len(head := self._file.read(_FRAME.size)) == _FRAME.size:
            length, checksum = _FRAME.unpack(head)
            data = self._file.read(length)
            if len(data) < length or crc32c(data) != checksum:
                return
            self._end_bytes = self._file.tell()
            yield unpack_map(data, rule="JOURNAL", what="journal")

    def _cut(self) -> None:
        self._file.truncate(self._end_bytes)
        self._file.seek(self._end_bytes)


def _as_stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same after it was written and read: tuples are lists then."""
    return unpack_map(pack_map(values), rule="JOURNAL", what="journal")


def _check_same(stored: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    differing = sorted(key for key in stored.keys() | identity.keys() if stored.get(key) != identity.get(key))
    if differing:
        raise SourceError(
            f"what was interrupted is another conversion: {', '.join(differing)} differ; give the same source and"
            " options, or begin anew without --resume"
        )
