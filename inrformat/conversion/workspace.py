"""The files beside an output while it is being made: what is written so far, and the journal to go on from.

``.NAME.partial`` is the output to be, ``.NAME.journal`` says how much of it is whole. The journal is locked as long as
its conversion runs, so that two never write one output, and so that what killed ones left is recognised.
"""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from inrformat.errors import OutputBusyError, OutputExistsError, SourceError

try:
    import fcntl
except ImportError:  # not POSIX: two conversions to one output are not told apart
    fcntl = None  # type: ignore[assignment]

__all__ = ["Workspace"]


class Workspace:
    """Owns the working files of an output.

        with Workspace(path, resume=False) as workspace:
            ...

    Leaving the ``with`` block removes them, unless ``keep`` says that they are worth going on from.

    Attributes:
        output: the file to be. partial: what is written of it. journal: the open journal, at its beginning.
        complete: with ``resume``, whether the output is there already. removed: whether another run had left files.
        keep: whether they stay when the block is left by an error.
    """

    def __init__(self, output: Path, *, resume: bool) -> None:
        """Nothing is on disk before ``with`` is entered."""
        self.output = output
        self.partial = output.with_name(f".{output.name}.partial")
        self.journal: FileIO
        self.complete = False
        self.removed = False
        self.keep = False
        self._resume = resume
        self._journal_path = output.with_name(f".{output.name}.journal")

    def __enter__(self) -> Self:
        """Lock the output.

        Raises:
            OutputExistsError: it exists. OutputBusyError: another process is converting to it.
            SourceError: there is no such folder.
        """
        if not self.output.parent.is_dir():
            raise SourceError(f"{self.output.parent}: no such folder for {self.output.name}; create it first")
        if self.output.exists() and not self._resume:
            raise OutputExistsError(f"{self.output} exists: remove it first or choose another name")
        self.journal = self._locked()
        left = self.partial.exists() or os.fstat(self.journal.fileno()).st_size > 0
        if self.output.exists():
            self._close_existing()
        elif self._resume:
            self.keep = left
        else:
            self.removed = left
            self.partial.unlink(missing_ok=True)
            self.journal.truncate(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or not self.keep:
            self._remove()
        self.journal.close()

    def _locked(self) -> FileIO:
        while True:
            journal = FileIO(os.open(self._journal_path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
            if fcntl is None:
                return journal
            try:
                fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                journal.close()
                raise OutputBusyError(f"{self.output}: another process is converting to it") from error
            except OSError:  # a file system without locks
                return journal
            if self._is_current(journal):
                return journal
            journal.close()  # its conversion ended, and removed it, between our opening and locking it

    def _is_current(self, journal: FileIO) -> bool:
        try:
            return os.path.samestat(os.fstat(journal.fileno()), self._journal_path.stat())
        except FileNotFoundError:
            return False

    def _close_existing(self) -> None:
        """The output came into being: by the run that is to be resumed, or while we waited."""
        self._remove()
        self.complete = self._resume
        if not self._resume:
            self.journal.close()
            raise OutputExistsError(f"{self.output} exists: remove it first or choose another name")

    def _remove(self) -> None:
        self.partial.unlink(missing_ok=True)
        self._journal_path.unlink(missing_ok=True)
