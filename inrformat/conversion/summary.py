"""What a conversion produced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from inrformat.container.reader import InrdReader
from inrformat.conversion.pixels.note import Note
from inrformat.conversion.reading import Skipped
from inrformat.conversion.written import Failure, Written
from inrformat.encoding.record import Outcome

__all__ = ["ConvertSummary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertSummary:
    """What a conversion produced.

    Attributes:
        output: the file, or the folder of shards; text where it is a URL. samples: images in it. bytes: its size.
        pixels: of all images at native size. mean_psnr_db, worst_psnr_db: of the stored images.
        skipped: unreadable images that were left out, and why. failures: images whose records are not what was asked.
        notes: what was done to images so that they could be stored, and to how many.
        remarks: on the source as a whole: files that were left out, and the like.
        seconds: this run took. resumed_images: that a former, interrupted one had done.
    """

    output: Path | str
    samples: int
    bytes: int
    pixels: int
    mean_psnr_db: float
    worst_psnr_db: float
    skipped: tuple[Skipped, ...] = ()
    failures: tuple[Failure, ...] = ()
    notes: Mapping[Note, int]
    remarks: tuple[str, ...] = ()
    seconds: float
    resumed_images: int = 0

    @property
    def rate_bpp(self) -> float:
        """Bits per pixel, every byte of the file counted."""
        return 8 * self.bytes / self.pixels

    @classmethod
    def of_written(cls, path: Path, written: Written, *, remarks: tuple[str, ...], seconds: float) -> Self:
        """Of a file that was made just now."""
        return cls(
            output=path,
            samples=len(written),
            bytes=path.stat().st_size,
            pixels=written.moments.pixels,
            mean_psnr_db=float(np.mean(written.report.psnr_db)),
            worst_psnr_db=float(np.min(written.report.psnr_db)),
            skipped=tuple(written.skipped),
            failures=written.failures(),
            notes=dict(written.notes),
            remarks=remarks,
            seconds=seconds,
            resumed_images=written.resumed_images,
        )

    @classmethod
    def of_file(cls, path: Path | str, *, seconds: float) -> Self:
        """Of a file that was complete before."""
        with InrdReader(path) as reader:
            index = reader.index
            psnr_db = np.zeros(1) if index.psnr_db is None else index.psnr_db
            return cls(
                output=path,
                samples=len(reader),
                bytes=reader.header.file_bytes,
                pixels=int((index.heights * index.widths).sum()),
                mean_psnr_db=float(psnr_db.mean()),
                worst_psnr_db=float(psnr_db.min()),
                notes={},
                remarks=(f"{path} was complete already",),
                seconds=seconds,
                resumed_images=len(reader),
            )

    @classmethod
    def of_shards(cls, folder: Path | str, shards: Sequence[Self], *, remarks: tuple[str, ...], seconds: float) -> Self:
        """Of several files together."""
        samples = sum(shard.samples for shard in shards)
        return cls(
            output=folder,
            samples=samples,
            bytes=sum(shard.bytes for shard in shards),
            pixels=sum(shard.pixels for shard in shards),
            mean_psnr_db=sum(shard.mean_psnr_db * shard.samples for shard in shards) / samples,
            worst_psnr_db=min(shard.worst_psnr_db for shard in shards),
            skipped=tuple(s for shard in shards for s in shard.skipped),
            failures=tuple(f for shard in shards for f in shard.failures),
            notes=dict(sum((Counter(shard.notes) for shard in shards), Counter())),
            remarks=remarks,
            seconds=seconds,
            resumed_images=sum(shard.resumed_images for shard in shards),
        )

    def to_map(self) -> dict[str, Any]:
        """Plain types, exactly."""
        return {
            "output": str(self.output),
            "samples": self.samples,
            "bytes": self.bytes,
            "pixels": self.pixels,
            "mean_psnr_db": self.mean_psnr_db,
            "worst_psnr_db": self.worst_psnr_db,
            "skipped": [[s.number, s.name, s.reason] for s in self.skipped],
            "failures": [[f.name, int(f.outcome), f.psnr_db] for f in self.failures],
            "notes": {note.value: count for note, count in self.notes.items()},
            "remarks": list(self.remarks),
            "seconds": self.seconds,
            "resumed_images": self.resumed_images,
        }

    @classmethod
    def from_map(cls, stored: Mapping[str, Any]) -> Self:
        """Undo `to_map`."""
        return cls(
            **{
                **stored,
                "output": Path(stored["output"]),
                "skipped": tuple(Skipped(*row) for row in stored["skipped"]),
                "failures": tuple(Failure(name, Outcome(k), db) for name, k, db in stored["failures"]),
                "notes": {Note(note): count for note, count in stored["notes"].items()},
                "remarks": tuple(stored["remarks"]),
            }
        )
