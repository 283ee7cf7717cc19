"""A conversion as it was asked for: everything a worker process needs to do a part of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from inrformat.conversion.file_job import FileJob
from inrformat.conversion.learning import corpus_of
from inrformat.conversion.memory import return_freed_memory
from inrformat.conversion.progress import Phase, Reporter
from inrformat.conversion.settings import Settings
from inrformat.conversion.sources.source import Source
from inrformat.conversion.summary import ConvertSummary
from inrformat.conversion.workspace import Workspace
from inrformat.decoding.devices import checked_device
from inrformat.encoding.encoder import Encoder, EncoderOptions, TrainedEncoder
from inrformat.families.registry import DEFAULT_FAMILY, family_named

__all__ = ["ConversionPlan", "convert_with"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionPlan:
    """What to convert, and how.

    Attributes:
        source: the images. options: of the encoder; None: of the default family. device: where to encode.
        settings: of everything else.
    """

    source: Source
    options: EncoderOptions | None = None
    device: str = "auto"
    settings: Settings = field(default_factory=Settings)

    def encoder(self, reporter: Reporter) -> Encoder:
        """An encoder that has seen nothing yet. Raises: DeviceError, UsageError: it cannot be had."""
        family = family_named(DEFAULT_FAMILY if self.options is None else self.options.family)
        device = checked_device(self.device)
        encoder: Encoder = family.encoder().make_encoder(self.options, device=device, on_progress=reporter.advance)
        return encoder

    def learn(self, encoder: Encoder, reporter: Reporter) -> TrainedEncoder:
        """Train it on a sample of the source."""
        reporter.begin(Phase.LEARN, total=min(self.settings.sample_images, len(self.source.names)))
        trained = encoder.train(corpus_of(self.source, self.settings))
        return_freed_memory()
        return trained


def convert_with(
    encoder: Encoder, plan: ConversionPlan, path: Path, *, reporter: Reporter | None = None, resume: bool = False
) -> ConvertSummary:
    """Make one file with an encoder of one's own. Raises: as ``convert``."""
    began = time.monotonic()
    reporter = reporter or Reporter()
    job = FileJob(source=plan.source, encoder=encoder, settings=plan.settings, reporter=reporter)
    with Workspace(path, resume=resume) as workspace:
        if workspace.complete:
            return ConvertSummary.of_file(path, seconds=time.monotonic() - began)
        try:
            written = job.run(workspace, lambda: plan.learn(encoder, reporter))
        except BaseException as error:
            if workspace.keep:
                error.add_note("what was done so far is kept: the same command with --resume goes on")
            raise
    stale = ("removed what an interrupted run had left; --resume would have gone on",) if workspace.removed else ()
    remarks = (*plan.source.remarks, *stale)
    return ConvertSummary.of_written(path, written, remarks=remarks, seconds=time.monotonic() - began)
