"""Local files to places elsewhere: whole, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

from inrformat.errors import OutputExistsError, RemoteError
from inrformat.storage.cache import cache_root
from inrformat.storage.whole import file_system, read_whole

__all__ = ["Destination"]

_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "az", "hf", "memory"})
"""Where an object appears when its upload is complete; elsewhere a file is given its name after that."""


class Destination:
    """A URL that a file, made here first, is to be at.

    Attributes:
        url: the place. local: where the file is made; the same for every process that makes one for this URL.
    """

    def __init__(self, url: str, *, storage_options: Mapping[str, Any] | None = None) -> None:
        """Raises: UsageError: the library for such URLs is missing."""
        self.url = url
        name = PurePosixPath(url).name
        self.local = cache_root().parent / "inrformat-outgoing" / hashlib.sha256(url.encode()).hexdigest()[:16] / name
        self._system, self._path = file_system(url, storage_options=storage_options)

    def read_text(self) -> str:
        """What is there. Raises: RemoteError: it cannot be read."""
        return read_whole(self._system, self._path, url=self.url).getvalue().decode("utf-8")

    def __truediv__(self, name: str) -> Destination:
        """A file inside, where this is a folder."""
        inside = object.__new__(Destination)
        inside.url, inside.local = f"{self.url.rstrip('/')}/{name}", self.local / name
        inside._system, inside._path = self._system, f"{self._path.rstrip('/')}/{name}"
        return inside

    def exists(self) -> bool:
        """Whether something is there. Raises: RemoteError: nobody can say."""
        try:
            return bool(self._system.exists(self._path))
        except Exception as error:  # of the file system's own kinds
            raise RemoteError(f"{self.url}: cannot be looked at ({type(error).__name__}: {error})") from error

    def prepare(self, *, resume: bool) -> None:
        """Make the folder for the local file.

        Raises:
            OutputExistsError: something is at the URL already, and is not to be gone on with.
        """
        if self.exists() and not resume:
            raise OutputExistsError(f"{self.url} exists: remove it first or choose another name")
        self.local.parent.mkdir(parents=True, exist_ok=True)

    def upload(self) -> None:
        """Bring the local file there, and remove it here.

        Raises:
            RemoteError: it could not be brought there; it stays here, nothing half-written stays there.
        """
        protocols = self._system.protocol if isinstance(self._system.protocol, tuple) else (self._system.protocol,)
        direct = bool(_OBJECT_STORES & set(protocols))
        target = self._path if direct else f"{self._path}.partial"
        try:
            if not direct:
                self._system.makedirs(str(PurePosixPath(self._path).parent), exist_ok=True)
            self._system.put_file(str(self.local), target)
            arrived = self._system.info(target)["size"]
            if arrived != self.local.stat().st_size:
                raise OSError(f"{arrived} of {self.local.stat().st_size} bytes arrived")
            if not direct:
                self._system.mv(target, self._path)
        except Exception as error:
            with suppress(Exception):  # what could not be written may not be there to be removed
                self._system.rm_file(target)
            reason = f"{type(error).__name__}: {error}"
            raise RemoteError(
                f"{self.url}: cannot be written ({reason}); the file is whole in {self.local}, "
                "and the same command with --resume uploads it"
            ) from error
        self.local.unlink()
