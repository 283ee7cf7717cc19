"""Asks a server for parts of a file, again where that may help, and says what failed where it does not."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from inrformat.errors import RemoteError, UsageError
from inrformat.storage.cache import Version

__all__ = ["Connection"]

_ATTEMPTS = 4
_FIRST_PAUSE_S = 0.2
_STALL_S = 20.0
"""An HTTP server that sends nothing for so long is given up, unless ``client_kwargs`` say otherwise."""

_VALIDATORS = (
    *("ETag", "etag", "Content-MD5", "md5Hash", "sha256", "blob_id", "checksum", "generation"),
    *("Last-Modified", "LastModified", "last_modified", "updated", "mtime", "created"),
)
"""Under what names the file systems of fsspec say which content a file has, the surest first."""

_PACKAGES = {"http": "inrformat[remote]", "hf": "huggingface_hub", "s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
"""What to install for a protocol; ``https`` is as ``http``."""

_Answer = TypeVar("_Answer")


class Connection:
    """One URL on the file system that fsspec has for it.

    Attributes:
        process: whose it is: fsspec's threads do not live on in a forked process.
    """

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Raises: UsageError, the library for such URLs is missing or does not take the options."""
        self._url, self.process = url, os.getpid()
        protocol = url.partition("://")[0].partition("::")[0]
        self._is_http = protocol in {"http", "https"}
        try:
            from fsspec.core import url_to_fs

            self._files, self._place = url_to_fs(url, **(self._http_options(options) if self._is_http else options))
        except ImportError as error:
            package = _PACKAGES.get("http" if self._is_http else protocol, "inrformat[remote]")
            raise UsageError(f'{url}: {error}: pip install "{package}"') from error
        except (TypeError, ValueError) as error:
            raise UsageError(f"{url}: {error}: see the protocols and options of fsspec") from error

    def version(self) -> Version:
        """Which content the URL has now.

        Raises:
            RemoteError: there is no file, or no answer.
        """
        info = self._retried(self._info, "its size")
        size = info.get("size")
        if not isinstance(size, int) or info.get("type") == "directory":
            raise RemoteError(f"{self._url}: it has no size: it must be a file, from a server that states its length")
        return Version(size, next((f"{name}={info[name]}" for name in _VALIDATORS if info.get(name)), None))

    def fetch(self, start: int, end: int, *, file_bytes: int) -> bytes:
        """The bytes from ``start`` up to ``end`` of a file of ``file_bytes``.

        Raises:
            RemoteError: they could not be had.
        """

        def ask() -> bytes:
            data = self._range(start, end, file_bytes)
            if len(data) != end - start:
                raise EOFError(f"the server sent {len(data)} bytes instead of {end - start}")
            return data

        return self._retried(ask, f"bytes {start} to {end - 1}")

    @staticmethod
    def _http_options(options: Mapping[str, Any]) -> dict[str, Any]:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_STALL_S, sock_read=_STALL_S)
        return {**options, "client_kwargs": {"timeout": timeout, **options.get("client_kwargs", {})}}

    def _info(self) -> Mapping[str, Any]:
        self._files.invalidate_cache()  # listings of object stores are kept by fsspec, and grow old
        info: Mapping[str, Any] = self._files.info(self._place)
        return info

    def _range(self, start: int, end: int, file_bytes: int) -> bytes:
        if self._files.async_impl and not self._is_http:
            data: bytes = self._files.cat_file(self._place, start=start, end=end)
            return data
        # Only HTTP servers may ignore a range; fsspec's file, unlike its cat_file, then refuses the whole body.
        # Where cat_file is not of the file system's own it reads megabytes ahead, as the Hub's does.
        known = {"size": file_bytes} if self._is_http else {}
        with self._files.open(self._place, cache_type="none", **known) as file:
            file.seek(start)
            body: bytes = file.read(end - start)
        return body

    def _retried(self, ask: Callable[[], _Answer], what: str) -> _Answer:
        attempt = 1
        while True:
            try:
                return ask()
            except Exception as error:
                if attempt == _ATTEMPTS or not _may_pass(error):
                    said = str(error) or type(error).__name__
                    raise RemoteError(f"{self._url}: {what} cannot be fetched: {said}: {_remedy(error)}") from error
            time.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
            attempt += 1


def _status(error: Exception) -> int | None:
    """The HTTP status of an error, as the libraries under fsspec carry it."""
    response = getattr(error, "response", None)
    status = getattr(error, "status", getattr(response, "status_code", None))
    return status if isinstance(status, int) else None


def _may_pass(error: Exception) -> bool:
    """Whether asking again may help: a server's fault or a broken connection, not an answer that says no."""
    status = _status(error)
    if status is not None:
        return status >= 500 or status in {408, 429}
    return not isinstance(error, FileNotFoundError | PermissionError | ValueError | TypeError | NotImplementedError)


def _remedy(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) or _status(error) == 404:
        return "check the URL"
    if isinstance(error, PermissionError) or _status(error) in {401, 403}:
        return "give credentials in storage_options"
    if isinstance(error, ValueError):
        return "the file must lie on a server that serves ranges; else download it"
    return "try again later, or download the file"
