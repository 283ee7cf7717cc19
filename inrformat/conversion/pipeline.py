"""The conversion: look at a source, learn what its images share, stream them through the encoder, finish the file."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inrformat.container.reader import InrdReader
from inrformat.conversion.file_job import FileJob
from inrformat.conversion.learning import corpus_of
from inrformat.conversion.pixels.note import Note
from inrformat.conversion.pixels.options import AlphaPolicy, ReadOptions
from inrformat.conversion.progress import OnProgress, Phase, Reporter
from inrformat.conversion.reading import ErrorPolicy, Skipped
from inrformat.conversion.settings import Settings
from inrformat.conversion.sources.items import TargetChoice
from inrformat.conversion.sources.opening import SourceQuestion, open_source
from inrformat.conversion.sources.source import Source
from inrformat.conversion.survey import white_of
from inrformat.conversion.workspace import Workspace
from inrformat.conversion.written import Failure, Written
from inrformat.decoding.devices import checked_device
from inrformat.encoding.encoder import Encoder, EncoderOptions, TrainedEncoder
from inrformat.errors import UsageError
from inrformat.families.registry import DEFAULT_FAMILY, family_named

__all__ = ["ConvertSummary", "convert", "convert_with"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertSummary:
    """What a conversion produced.

    Attributes:
        output: the file. samples: images in it. bytes: its size. pixels: of all images at native size.
        mean_psnr_db, worst_psnr_db: of the stored images.
        skipped: unreadable images that were left out, and why. failures: images whose records are not what was asked.
        notes: what was done to images so that they could be stored, and to how many.
        remarks: on the source as a whole: files that were left out, and the like.
        seconds: this run took. resumed_images: that a former, interrupted one had done.
    """

    output: Path
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


def convert(
    source: Any,
    output: str | os.PathLike[str],
    options: EncoderOptions | None = None,
    *,
    network: str | None = None,
    size: int | None = None,
    alpha: str = "drop",
    grey: bool = False,
    split: str | None = None,
    class_names: Sequence[str] = (),
    targets: Mapping[str, TargetChoice] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    on_error: str = "raise",
    resume: bool = False,
    device: str | torch.device = "auto",
    seed: int = 0,
    sample_images: int = 256,
    jobs: int = 0,
    on_progress: OnProgress = lambda _progress: None,
    **asked: Any,
) -> ConvertSummary:
    """Convert images to the new file ``output``.

        convert("photos/train", "train.inrd", quality=80, size=256)

    Args:
        source: a path, a URL, several image files, or a data set that gives images, map-style or iterable: what
            ``inrformat.conversion.sources`` has a module for, recognised by looking (`open_source`).
        options: of the network family to convert to (`CellsOptions`, `SirenOptions`), in place of the next two.
        network: the family; None: the default one. asked: its options by name, ``quality=80``.
        size: short side in pixels to resize to first, or None to keep each image's size.
        alpha: what becomes of transparency: ``"drop"``; ``"matte=white"``: laid over a colour; ``"keep"``: a fourth
            channel. grey: keep one channel.
        split: of a data set in splits. class_names: by number, where the source has none of its own.
        targets: what becomes of targets of a Python data set that are not understood, by key: ``"bytes"`` keeps one,
            None leaves it out. storage_options: for the file system of fsspec, where the source is elsewhere.
        on_error: what becomes of unreadable images: ``"raise"``; ``"skip"``: leave them out; ``"limit=N"``: at most N.
        resume: go on where an interrupted conversion of the same source with the same options ended.
        device: where to encode: "cpu", "cuda", "cuda:N" or "auto".
        seed: of the choice of the images that are learned from.
        sample_images: at most so many are learned from; fewer where they are very large.
        jobs: threads that read images; 0: one for each core.
        on_progress: is told how far the conversion is.

    Raises:
        SourceError: no images, or an unreadable one. OutputExistsError: ``output`` exists. OutputBusyError: another
            process is making it. UsageError: what was asked for cannot be had. Nothing is left behind then, but for
            what ``resume`` goes on from, once some images are done.
    """
    reporter = Reporter(on_progress)
    reporter.begin(Phase.SCAN, total=0)
    family = family_named(network or (DEFAULT_FAMILY if options is None else options.family))
    if options is None:
        options = _options_of(family, asked)
    elif asked or network:
        raise UsageError(f"{', '.join([*asked, *([network] if network else [])])}: part of the options already")
    encoder = family.encoder().make_encoder(options, device=checked_device(device), on_progress=reporter.advance)
    question = SourceQuestion(
        split=split,
        class_names=tuple(class_names),
        targets=dict(targets or {}),
        storage_options=dict(storage_options or {}),
    )
    opened = open_source(source, question)
    reading = ReadOptions(size=size, alpha=AlphaPolicy.of(alpha), grey=grey, white=white_of(opened))
    settings = Settings(
        reading=reading,
        on_error=ErrorPolicy.of(on_error),
        seed=seed,
        sample_images=sample_images,
        jobs=jobs,
    )
    return convert_with(encoder, opened, output, settings=settings, reporter=reporter, resume=resume)


def _options_of(family: Any, asked: Mapping[str, Any]) -> EncoderOptions:
    """The family's options from keywords."""
    kind = family.options()
    known = list(kind.__dataclass_fields__)
    if unknown := [name for name in asked if name not in known]:
        raise UsageError(f"{family.name} has no option {unknown[0]!r}: choose among {', '.join(known)}")
    options: EncoderOptions = kind(**asked)
    return options


def convert_with(
    encoder: Encoder,
    source: Source,
    output: str | os.PathLike[str],
    *,
    settings: Settings | None = None,
    reporter: Reporter | None = None,
    resume: bool = False,
) -> ConvertSummary:
    """Convert with an encoder of one's own; otherwise as ``convert``."""
    began = time.monotonic()
    settings, reporter = settings or Settings(), reporter or Reporter()
    path = Path(output).expanduser()
    job = FileJob(source=source, encoder=encoder, settings=settings, reporter=reporter)

    def learn() -> TrainedEncoder:
        reporter.begin(Phase.LEARN, total=min(settings.sample_images, len(source.names)))
        return encoder.train(corpus_of(source, settings))

    with Workspace(path, resume=resume) as workspace:
        if workspace.complete:
            return _summary_of_file(path, seconds=time.monotonic() - began)
        try:
            written = job.run(workspace, learn)
        except BaseException as error:
            if workspace.keep:
                error.add_note("what was done so far is kept: the same command with --resume goes on")
            raise
    return _summary(path, source, written, seconds=time.monotonic() - began)


def _summary(path: Path, source: Source, written: Written, *, seconds: float) -> ConvertSummary:
    return ConvertSummary(
        output=path,
        samples=len(written),
        bytes=path.stat().st_size,
        pixels=written.moments.pixels,
        mean_psnr_db=float(np.mean(written.report.psnr_db)),
        worst_psnr_db=float(np.min(written.report.psnr_db)),
        skipped=tuple(written.skipped),
        failures=written.failures(),
        notes=dict(written.notes),
        remarks=source.remarks,
        seconds=seconds,
        resumed_images=written.resumed_images,
    )


def _summary_of_file(path: Path, *, seconds: float) -> ConvertSummary:
    """Of a file that was complete before."""
    with InrdReader(path) as reader:
        index = reader.index
        psnr_db = np.zeros(0) if index.psnr_db is None else index.psnr_db
        return ConvertSummary(
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
