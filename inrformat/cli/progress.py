"""Progress of a conversion on standard error: a bar on a terminal, a line every ten seconds in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

from inrformat.conversion.progress import Phase, Progress

__all__ = ["ProgressDisplay"]

_WORDS = {
    Phase.SCAN: "looking for images",
    Phase.LEARN: "learning what the images share",
    Phase.ENCODE: "encoding",
    Phase.WRITE: "writing columns and index",
}
_LOG_SECONDS = 10.0


class ProgressDisplay:
    """Shows what `Progress` says; nothing at all before a second has gone."""

    def __init__(self, *, quiet: bool) -> None:
        """``quiet``: show nothing."""
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._bar: tqdm | None = None
        self._phase: Phase | None = None
        self._phase_began = self._last_line = time.monotonic()
        self._done_at_first = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_bar()

    def show(self, progress: Progress) -> None:
        """Take note of progress."""
        if self._quiet:
            return
        if progress.phase is not self._phase:
            self._begin(progress)
        if self._bar is not None:
            self._bar.update(progress.done - self._bar.n)
        elif not self._terminal and time.monotonic() - self._last_line >= _LOG_SECONDS:
            self._log(progress)

    def _begin(self, progress: Progress) -> None:
        self._close_bar()
        self._phase, self._phase_began, self._done_at_first = progress.phase, time.monotonic(), progress.done
        if self._terminal:
            shape = (
                "{desc}: {n:.0f}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]"
                if progress.total
                else "{desc} [{elapsed}]"
            )
            self._bar = tqdm(
                total=progress.total or None,
                initial=progress.done,
                unit=" images",
                desc=_WORDS[progress.phase],
                delay=1,
                leave=False,
                bar_format=shape,
            )

    def _log(self, progress: Progress) -> None:
        self._last_line = time.monotonic()
        seconds = self._last_line - self._phase_began
        line = f"{_WORDS[progress.phase]}, {_clock(seconds)}"
        here = progress.done - self._done_at_first
        if progress.total:
            line += f": {progress.done:.0f} of {progress.total} images"
        if progress.total and here > 0:
            left = (progress.total - progress.done) * seconds / here
            line += f", {here / seconds:.1f} images/s, about {_clock(left)} left"
        print(line, file=sys.stderr, flush=True)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
