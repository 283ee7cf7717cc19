"""One file of a conversion: the images of a source through a trained encoder, with a journal to go on from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import inrformat
from inrformat.container.metadata import Metadata
from inrformat.container.writer import Checkpoint, InrdWriter
from inrformat.conversion.columns import class_names_by_number
from inrformat.conversion.journal import Journal
from inrformat.conversion.progress import Phase, Reporter
from inrformat.conversion.reading import ImageReader
from inrformat.conversion.settings import Settings
from inrformat.conversion.sources.source import Source
from inrformat.conversion.workspace import Workspace
from inrformat.conversion.written import Written, piece_map
from inrformat.encoding.encoder import Encoder, TrainedEncoder
from inrformat.errors import SourceError

__all__ = ["FileJob"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileJob:
    """The making of one file.

    Attributes:
        source: its images. encoder: of its records. settings: of the conversion. reporter: is told how far it is.
    """

    source: Source
    encoder: Encoder
    settings: Settings
    reporter: Reporter

    def run(self, workspace: Workspace, learn: Callable[[], TrainedEncoder]) -> Written:
        """Make the file of a workspace, or what is left to do of it.

        Args:
            learn: gives the trained encoder; only asked where the journal does not hold what it learned.
        """
        journal = Journal(workspace.journal, self._identity())
        written, checkpoint = self._resumed(journal, workspace.partial)
        if journal.learned is None:
            trained = learn()
            journal.append({"learned": trained.learned(), "progress": trained.progress()})
        else:
            trained = self.encoder.restore(journal.learned["learned"], written.encoder or journal.learned["progress"])
        with InrdWriter(workspace.output, partial=workspace.partial, checkpoint=checkpoint) as writer:
            self._stream(trained, writer, journal, written, workspace)
            self.reporter.begin(Phase.WRITE, total=len(written), done=len(written))
            self._finish(writer, trained, written)
        return written

    def _identity(self) -> dict[str, Any]:
        return {
            "version of inrformat": inrformat.__version__,
            "source": self.source.identity(),
            "options of the encoder": self.encoder.options_map(),
            **self.settings.identity(),
        }

    def _resumed(self, journal: Journal, partial: Path) -> tuple[Written, Checkpoint | None]:
        """What former runs wrote."""
        written, rows, last = Written(self.source.columns), bytearray(), None
        for piece in journal.pieces():
            written.add(piece)
            last = piece["file"]
            rows += last[2]
        if last is None:
            partial.unlink(missing_ok=True)
            return written, None
        written.resumed_images = len(written)
        end_bytes, payload_crc32c, _ = last
        if not partial.exists() or partial.stat().st_size < end_bytes:
            raise SourceError(f"{partial}: shorter than its journal says; begin anew without --resume")
        return written, Checkpoint(end_bytes, payload_crc32c, bytes(rows))

    def _stream(
        self, trained: TrainedEncoder, writer: InrdWriter, journal: Journal, written: Written, workspace: Workspace
    ) -> None:
        """Encode the images that are not in the file yet."""
        total = len(self.source.names)
        self.reporter.begin(Phase.ENCODE, total=total, done=written.next_number)
        reader = ImageReader(
            self.source,
            self.settings.reading,
            self.settings.on_error,
            jobs=self.settings.jobs,
            skipped={skipped.number: skipped for skipped in written.skipped},
        )
        for piece in reader.pieces(written.next_number):
            records = trained.encode([sample.pixels for sample in piece.samples], following=piece.following)
            for record in records:
                writer.add(
                    record.data,
                    height=record.height,
                    width=record.width,
                    network=record.network,
                    psnr_db=record.psnr_db,
                )
            done = piece_map(
                piece,
                records,
                writer.checkpoint(),
                skipped=reader.skipped_between(written.next_number, piece.samples[-1].number),
                encoder=trained.progress(),
            )
            workspace.keep = True
            journal.append(done)
            written.add(done)
            self.reporter.reach(written.next_number)
        written.skipped += reader.skipped_between(written.next_number, total)

    def _finish(self, writer: InrdWriter, trained: TrainedEncoder, written: Written) -> None:
        """Add the columns and what all records share, and let the file appear."""
        fields = written.fields()
        for field in fields:
            writer.add_field(field.name, field.type, field.values)
        mean, std = written.moments.mean_std()
        metadata = Metadata(
            classes=self.source.classes or class_names_by_number(fields),
            channel_mean=mean,
            channel_std=std,
            generator=f"inrformat {inrformat.__version__}",
            options=self._options_map(),
        )
        writer.finish(codebook=trained.codebook.to_map(), metadata=metadata)

    def _options_map(self) -> Mapping[str, Any]:
        """What was asked for, as the file's metadata keep it."""
        return {**self.encoder.options_map(), "size": self.settings.reading.size}
