"""The conversion: scan a source, learn what its images share, stream them through the encoder, finish the file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

import inrformat
from inrformat.container.metadata import Metadata
from inrformat.container.writer import InrdWriter
from inrformat.conversion.annotations import Annotations
from inrformat.conversion.columns import TargetColumns, source_fields
from inrformat.conversion.images import ChannelMoments, ImageLoader
from inrformat.conversion.report import ReportColumns
from inrformat.conversion.size_budget import size_budget
from inrformat.conversion.sources import ImageSource, scan_folder
from inrformat.decoding.devices import checked_device
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.encoder import Encoder, EncoderOptions, TrainedEncoder
from inrformat.encoding.record import Image, Outcome
from inrformat.errors import SourceError
from inrformat.families.registry import DEFAULT_FAMILY, family_named

__all__ = ["ConvertSummary", "Failure", "convert", "convert_with"]

_SAMPLE_IMAGES = 256
_SAMPLE_VALUES = 1 << 29
_CALIBRATION_IMAGES = 4096


@dataclass(frozen=True, slots=True)
class Failure:
    """An image whose record is not what was asked for."""

    name: str
    outcome: Outcome
    psnr_db: float


@dataclass(frozen=True, slots=True)
class ConvertSummary:
    """What a conversion produced.

    Attributes:
        output: the file. samples: images in it. bytes: its size. pixels: of all images at native size.
        mean_psnr_db, worst_psnr_db: of the stored images. skipped: names of unreadable images that were left out.
        failures: images whose records are not what was asked for. seconds: the whole conversion took.
    """

    output: Path
    samples: int
    bytes: int
    pixels: int
    mean_psnr_db: float
    worst_psnr_db: float
    skipped: tuple[str, ...]
    failures: tuple[Failure, ...]
    seconds: float

    @property
    def rate_bpp(self) -> float:
        """Bits per pixel, every byte of the file counted."""
        return 8 * self.bytes / self.pixels


def convert(
    source: ImageSource | str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: EncoderOptions | None = None,
    *,
    device: str | torch.device = "auto",
    size: int | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
    sample_images: int = _SAMPLE_IMAGES,
    on_progress: Callable[[float], None] = lambda _images: None,
) -> ConvertSummary:
    """Convert images to the new file ``output``.

        convert("photos/train", "train.inrd", CellsOptions(quality=80), size=256)

    Args:
        source: a folder as ``torchvision.datasets.ImageFolder`` reads it, or what ``scan_folder`` made of one.
        options: of the network family to convert to (`CellsOptions`, `SirenOptions`); None: the default family's own.
        device: where to encode: "cpu", "cuda", "cuda:N" or "auto".
        size: short side in pixels to resize to first, or None to keep each image's size.
        seed: of the choice of the images that are learned from.
        skip_unreadable: leave unreadable images out instead of stopping.
        sample_images: at most so many are learned from; fewer where they are very large.
        on_progress: called with the images' worth of work done since its last call.

    Raises:
        SourceError: no images, or an unreadable one. OutputExistsError: ``output`` exists. UsageError: what was asked
            for cannot be had. Nothing is left behind then.
    """
    family = family_named(DEFAULT_FAMILY if options is None else options.family)
    encoder = family.encoder().make_encoder(options, device=checked_device(device), on_progress=on_progress)
    scanned = source if isinstance(source, ImageSource) else scan_folder(source)
    return convert_with(
        encoder,
        scanned,
        output,
        size=size,
        seed=seed,
        skip_unreadable=skip_unreadable,
        sample_images=sample_images,
    )


def convert_with(
    encoder: Encoder,
    source: ImageSource,
    output: str | os.PathLike[str],
    *,
    size: int | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
    sample_images: int = _SAMPLE_IMAGES,
) -> ConvertSummary:
    """Convert with an encoder of one's own; otherwise as ``convert``."""
    began = time.monotonic()
    loader = ImageLoader(source, size=size, skip_unreadable=skip_unreadable)
    with InrdWriter(output) as writer:
        trained = _learn(encoder, loader, seed=seed, sample_images=sample_images, size=size)
        written = _stream(trained, loader, writer)
        _finish(writer, written, trained, options={**encoder.options_map(), "size": size})
    return ConvertSummary(
        output=Path(output),
        samples=len(written.source),
        bytes=Path(output).stat().st_size,
        pixels=written.moments.pixels,
        mean_psnr_db=float(np.mean(written.report.psnr_db)),
        worst_psnr_db=float(np.min(written.report.psnr_db)),
        skipped=tuple(loader.skipped),
        failures=written.failures(),
        seconds=time.monotonic() - began,
    )


@dataclass(frozen=True, slots=True)
class _Written:
    """What is known once all records are written: the images that are in the file, and columns of theirs."""

    source: ImageSource
    report: ReportColumns
    targets: TargetColumns
    moments: ChannelMoments

    def failures(self) -> tuple[Failure, ...]:
        rows = zip(self.source.names, self.report.outcomes, self.report.psnr_db, strict=True)
        return tuple(Failure(name, outcome, psnr_db) for name, outcome, psnr_db in rows if outcome)


def _learn(encoder: Encoder, loader: ImageLoader, *, seed: int, sample_images: int, size: int | None) -> TrainedEncoder:
    """Train on the first images of a random order of the whole source."""
    order: list[int] = np.random.default_rng(seed).permutation(len(loader.source)).tolist()
    sample: list[Image] = []
    seen = 0
    for number in order[:sample_images]:
        if sum(image.size for image in sample) > _SAMPLE_VALUES:
            break
        image = loader.load(number)
        seen += 1
        sample += [] if image is None else [image]
    if not sample:
        raise SourceError(f"{loader.source.root}: none of its images could be read")
    corpus = Corpus(
        sample=sample,
        complete=seen == len(order),
        length=len(order),
        batches=lambda: (piece.images for piece in loader.pieces(order[:_CALIBRATION_IMAGES])),
        size_budget=partial(size_budget, loader.source, size=size),
    )
    return encoder.train(corpus)


def _stream(trained: TrainedEncoder, loader: ImageLoader, writer: InrdWriter) -> _Written:
    """Encode all images into the file."""
    source, kept = loader.source, list[int]()
    report, moments = ReportColumns(), ChannelMoments()
    targets = TargetColumns(source.annotations or Annotations())
    loader.skipped.clear()  # those met while learning are met again
    for numbers, images in loader.pieces(range(len(source))):
        kept += numbers
        following = len(source) - len(loader.skipped) - len(kept)
        for number, record, image in zip(numbers, trained.encode(images, following=following), images, strict=True):
            writer.add(
                record.data,
                height=record.height,
                width=record.width,
                network=record.network,
                psnr_db=record.psnr_db,
            )
            report.add(record)
            moments.add(image)
            targets.add(source.names[number], height=record.height, width=record.width)
    return _Written(source.subset(kept), report, targets, moments)


def _finish(writer: InrdWriter, written: _Written, trained: TrainedEncoder, *, options: dict[str, object]) -> None:
    """Add the columns and what all records share, and let the file appear."""
    for field in (*source_fields(written.source), *written.targets.fields(), *written.report.fields()):
        writer.add_field(field.name, field.type, field.values)
    mean, std = written.moments.mean_std()
    metadata = Metadata(
        classes=written.source.classes,
        channel_mean=mean,
        channel_std=std,
        generator=f"inrformat {inrformat.__version__}",
        options=options,
    )
    writer.finish(codebook=trained.codebook.to_map(), metadata=metadata)
