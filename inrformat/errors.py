"""Every error the package raises on purpose.

    InrdError
    ├── InvalidFileError (ValueError)      the bytes are not a conforming .inrd file       exit 3
    │   ├── NotInrdError                   foreign signature: some other kind of file
    │   ├── TruncatedFileError             the file ends before the bytes it declares
    │   ├── ChecksumError                  a CRC-32C does not match
    │   └── LimitError                     larger than the reader's limits allow
    ├── UnsupportedVersionError            a newer major version or an unknown required feature   exit 5
    ├── SourceError (ValueError)           the images to convert are missing or unreadable   exit 4
    ├── RemoteError (OSError)           a file that is elsewhere cannot be fetched         exit 4
    ├── OutputExistsError (FileExistsError)  refusing to overwrite                         exit 4
    ├── OutputBusyError (BlockingIOError)    another process is writing it                  exit 4
    ├── DeviceError (RuntimeError)         the asked-for device or backend is not there    exit 2
    └── UsageError (ValueError)            arguments that contradict each other            exit 2
        └── GeometryError                  a map that cannot be evaluated, steps that make no one map

Each inherits from the built-in exception Python has for the case, so that ``except ValueError`` and
``except FileExistsError`` keep working. The exit codes are those of the command line (``inrformat.cli``).
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "ChecksumError",
    "DeviceError",
    "GeometryError",
    "InrdError",
    "InvalidFileError",
    "LimitError",
    "NotInrdError",
    "OutputBusyError",
    "OutputExistsError",
    "RemoteError",
    "SourceError",
    "TruncatedFileError",
    "UnsupportedVersionError",
    "UsageError",
]


class InrdError(Exception):
    """Base of all errors of this package; its text is one line that says what, where and the remedy."""

    exit_code = 1


class InvalidFileError(InrdError, ValueError):
    """A file breaks a rule of the specification.

    ``rule`` names the entry of ``container/rules.py``; ``offset_bytes`` is the place in the file, where there is one.
    """

    exit_code = 3

    def __init__(
        self, rule: str, detail: str, *, path: str | Path | None = None, offset_bytes: int | None = None
    ) -> None:
        self.rule = rule
        self.detail = detail
        self.path = None if path is None else str(path)
        self.offset_bytes = offset_bytes
        super().__init__(rule, detail)

    def __str__(self) -> str:
        place = "" if self.path is None else f"{self.path}: "
        offset = "" if self.offset_bytes is None else f" at byte {self.offset_bytes}"
        return f"{place}{self.detail}{offset} [{self.rule}]"

    def in_file(self, path: str | Path) -> InvalidFileError:
        """Name the file, where the code that found the fault saw only its bytes; returns self."""
        if self.path is None:
            self.path = str(path)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments need this to cross DataLoader worker processes.
        return (_rebuild, (type(self), self.rule, self.detail, self.path, self.offset_bytes))


def _rebuild(
    kind: type[InvalidFileError], rule: str, detail: str, path: str | None, offset_bytes: int | None
) -> InvalidFileError:
    return kind(rule, detail, path=path, offset_bytes=offset_bytes)


class NotInrdError(InvalidFileError):
    """The file does not start with the .inrd signature."""


class TruncatedFileError(InvalidFileError):
    """The file is shorter than it declares."""


class ChecksumError(InvalidFileError):
    """Stored and computed CRC-32C differ: the bytes were damaged after writing."""


class LimitError(InvalidFileError):
    """A declared size exceeds the reader's limits (``container/limits.py``)."""


class UnsupportedVersionError(InrdError):
    """The file needs a newer reader: a higher major version, or a required feature this one does not know."""

    exit_code = 5


class SourceError(InrdError, ValueError):
    """The source of a conversion has no images, or one of them cannot be read."""

    exit_code = 4


class RemoteError(InrdError, OSError):
    """Bytes of a file that is elsewhere could not be fetched, and are not in the local cache."""

    exit_code = 4


class OutputExistsError(InrdError, FileExistsError):
    """The output path exists; nothing was touched."""

    exit_code = 4


class OutputBusyError(InrdError, BlockingIOError):
    """Another process is writing the output; nothing was touched."""

    exit_code = 4


class DeviceError(InrdError, RuntimeError):
    """The device or optional backend that was asked for is not available here."""

    exit_code = 2


class UsageError(InrdError, ValueError):
    """Arguments that do not go together, or are out of range."""

    exit_code = 2


class GeometryError(UsageError):
    """A map from output to source that cannot be evaluated, or geometric steps that do not make one map."""
