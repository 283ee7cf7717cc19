"""What a conversion is asked for, besides what its encoder is asked for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from inrformat.conversion.pixels.options import ReadOptions
from inrformat.conversion.reading import ErrorPolicy

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of a conversion.

    Attributes:
        reading: how images become pixels. on_error: what becomes of unreadable ones.
        seed: of the choice of the images that are learned from. sample_images: at most so many are learned from; fewer
            where they are very large.
        jobs: threads that read; 0: one for each core.
    """

    reading: ReadOptions = field(default_factory=ReadOptions)
    on_error: ErrorPolicy = field(default_factory=lambda: ErrorPolicy(limit=0))
    seed: int = 0
    sample_images: int = 256
    jobs: int = 0

    def identity(self) -> dict[str, Any]:
        """What has to be the same for an interrupted conversion to go on."""
        return {"reading": asdict(self.reading), "seed": self.seed, "sample images": self.sample_images}
