"""How far a conversion is, for whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["OnProgress", "Phase", "Progress", "Reporter"]


class Phase(StrEnum):
    """What is being done; in this order."""

    SCAN = "scan"  # look for images and their targets
    LEARN = "learn"  # what the images share
    ENCODE = "encode"
    WRITE = "write"  # columns and index, and the file appears


@dataclass(frozen=True, slots=True)
class Progress:
    """``done`` of ``total`` images in a phase; a total of 0 where it is not known."""

    phase: Phase
    done: float
    total: int


OnProgress = Callable[[Progress], None]


@dataclass(slots=True)
class Reporter:
    """Turns an encoder's "so much more" into "so much of all"."""

    on_progress: OnProgress = lambda _progress: None
    _now: Progress = field(default_factory=lambda: Progress(Phase.SCAN, 0, 0))

    def begin(self, phase: Phase, *, total: int, done: int = 0) -> None:
        """The next phase."""
        self._tell(Progress(phase, done, total))

    def advance(self, images: float) -> None:
        """So many images' worth of work more."""
        now = self._now
        self._tell(Progress(now.phase, min(now.done + images, now.total), now.total))

    def reach(self, done: int) -> None:
        """So many images are done for certain."""
        self._tell(Progress(self._now.phase, done, self._now.total))

    def _tell(self, progress: Progress) -> None:
        self._now = progress
        self.on_progress(progress)
