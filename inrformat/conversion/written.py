"""What is known of the images that are in a file, piece by piece: as they are encoded, or as a journal holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inrformat.container.fields import Field
from inrformat.container.metadata import FieldSpec
from inrformat.container.writer import Checkpoint
from inrformat.conversion.columns import TargetColumns
from inrformat.conversion.moments import ChannelMoments
from inrformat.conversion.pixels.note import Note
from inrformat.conversion.reading import Piece, Skipped
from inrformat.conversion.report import ReportColumns
from inrformat.encoding.record import EncodedRecord, Outcome

__all__ = ["Failure", "Written", "piece_map"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An image whose record is not what was asked for."""

    name: str
    outcome: Outcome
    psnr_db: float


def piece_map(
    piece: Piece,
    records: Sequence[EncodedRecord],
    checkpoint: Checkpoint,
    *,
    skipped: Iterable[Skipped],
    encoder: Mapping[str, Any],
) -> dict[str, Any]:
    """A piece whose records are on disk, in plain types: what `Written.add` takes along.

    Args:
        skipped: images that were left out before its last one. encoder: its ``progress``.
    """
    moments = ChannelMoments()
    for sample in piece.samples:
        moments.add(sample.pixels)
    return {
        "next": piece.samples[-1].number + 1,
        "names": [sample.name for sample in piece.samples],
        "values": [sample.values for sample in piece.samples],
        "notes": [list(sample.notes) for sample in piece.samples],
        "records": [ReportColumns.row_of(record) for record in records],
        "skipped": [[s.number, s.name, s.reason] for s in skipped],
        "moments": [moments.pixels, moments.sums],
        "file": [checkpoint.end_bytes, checkpoint.payload_crc32c, checkpoint.rows],
        "encoder": dict(encoder),
    }


class Written:
    """Columns of the images that are in a file, and what a summary says of them.

    Attributes:
        targets, report, moments: of the images so far. notes: how often each was made. skipped: images left out.
        next_number: of the source, the first that is in no piece yet. encoder: its progress after the last piece.
        resumed_images: that a former run wrote.
    """

    def __init__(self, columns: Sequence[FieldSpec]) -> None:
        self.targets = TargetColumns(columns)
        self.report = ReportColumns()
        self.moments = ChannelMoments()
        self.notes: Counter[Note] = Counter()
        self.skipped: list[Skipped] = []
        self.next_number = 0
        self.encoder: dict[str, Any] = {}
        self.resumed_images = 0

    def __len__(self) -> int:
        return len(self.targets.names)

    def add(self, piece: Mapping[str, Any]) -> None:
        """Take along a piece, as `piece_map` gives it."""
        for name, values, notes, row in zip(
            piece["names"], piece["values"], piece["notes"], piece["records"], strict=True
        ):
            self.targets.add(name, values)
            self.notes.update(map(Note, notes))
            self.report.add(row)
        self.moments.merge(ChannelMoments(*piece["moments"]))
        self.skipped += [Skipped(*row) for row in piece["skipped"]]
        self.next_number = piece["next"]
        self.encoder = piece["encoder"]

    def fields(self) -> list[Field]:
        """All columns of the file."""
        return [*self.targets.fields(), *self.report.fields()]

    def failures(self) -> tuple[Failure, ...]:
        """Images whose records are not what was asked for."""
        rows = zip(self.targets.names, self.report.outcomes, self.report.psnr_db, strict=True)
        return tuple(Failure(name, Outcome(outcome), psnr_db) for name, outcome, psnr_db in rows if outcome)
