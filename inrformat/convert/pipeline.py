"""The conversion: scan, learn from a sample, then stream images through the encoder into the writer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import inrformat
from inrformat.container.fields import FieldType
from inrformat.container.metadata import Metadata
from inrformat.container.writer import InrdWriter
from inrformat.convert.annotations import Annotations
from inrformat.convert.columns import TargetColumns, source_fields
from inrformat.convert.sources import ImageSource, load_image
from inrformat.encode.record import Encoder, Image, Outcome, SettlingEncoder
from inrformat.errors import SourceError
from inrformat.families.codebook import Codebook

__all__ = ["OUTCOME_FIELD", "ConvertSummary", "convert"]

STEPS_FIELD, SPARSITY_FIELD, OUTCOME_FIELD = "fit_steps", "zero_weights_percent", "fit_outcome"
SAVED_FIELD, GAIN_FIELD = "pruning_saved_bytes", "pruning_gain_db"
_SAMPLE_IMAGES = 256
_SAMPLE_VALUES = 1 << 29
_SETTLE_IMAGES = 4096
_CHUNK_IMAGES = 256
_CHUNK_PIXELS = 1 << 24


@dataclass(frozen=True, slots=True)
class ConvertSummary:
    """What a conversion produced.

    Attributes:
        output: the file. samples: images in it. bytes: its size. pixels: of all images at native size.
        mean_psnr_db, worst_psnr_db: of the stored images. skipped: names of unreadable images that were left out.
        failures: name, outcome and PSNR of each image whose record is not what was asked for.
        seconds: the whole conversion took.
    """

    output: Path
    samples: int
    bytes: int
    pixels: int
    mean_psnr_db: float
    worst_psnr_db: float
    skipped: tuple[str, ...]
    failures: tuple[tuple[str, Outcome, float], ...]
    seconds: float

    @property
    def rate_bpp(self) -> float:
        """Bits per pixel, every byte of the file counted."""
        return 8 * self.bytes / self.pixels


class _ChannelMoments:
    """Running mean and standard deviation of each channel over all pixels, in [0, 1] units."""

    def __init__(self) -> None:
        self._sums = np.zeros((2, 3), np.int64)
        self.pixels = 0

    def add(self, image: Image) -> None:
        flat = image.reshape(-1, 3).astype(np.int64)
        self._sums += np.stack([flat.sum(0), (flat * flat).sum(0)])
        self.pixels += len(flat)

    def mean_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        mean, square = (self._sums / self.pixels).astype(np.float64)
        std = np.sqrt(np.maximum(square - mean * mean, 0))
        return tuple((mean / 255).tolist()), tuple((std / 255).tolist())


class _Loader:
    """Reads the images of a source, remembering those it had to leave out."""

    def __init__(self, source: ImageSource, *, size: int | None, skip_unreadable: bool) -> None:
        self._source = source
        self.root = source.root
        self._size = size
        self._skip = skip_unreadable
        self.skipped: list[str] = []

    def load(self, number: int) -> Image | None:
        name = self._source.names[number]
        try:
            return load_image(self._source.root / name, size=self._size)
        except SourceError as error:
            if not self._skip:
                raise SourceError(f"{error}; remove it or pass --skip-unreadable") from error
            self.skipped.append(name)
            return None

    def chunks(self, chosen: Iterable[int]) -> Iterator[tuple[list[int], list[Image]]]:
        """The readable ones of the ``chosen`` images, in pieces that fit in memory: their numbers and pixels.

        A full piece waits for the next one, and the last two are equally long: so a byte budget is never left to a few
        images, and all that are unreadable are known by then.
        """
        full: dict[int, Image] = {}
        piece: dict[int, Image] = {}
        for number in chosen:
            image = self.load(number)
            if image is None:
                continue
            piece[number] = image
            if len(piece) == _CHUNK_IMAGES or sum(i.size for i in piece.values()) >= 3 * _CHUNK_PIXELS:
                if full:
                    yield list(full), list(full.values())
                full, piece = piece, {}
        rest = full | piece
        numbers = list(rest)
        cut = (len(numbers) + 1) // 2 if full and piece else len(numbers)
        for part in (numbers[:cut], numbers[cut:]):
            if part:
                yield part, [rest[number] for number in part]


def convert(
    source: ImageSource,
    output: str | os.PathLike[str],
    encoder: Encoder,
    *,
    size: int | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
    sample_images: int = _SAMPLE_IMAGES,
    on_images: Callable[[int], None] = lambda _count: None,
) -> ConvertSummary:
    """Convert the images of ``source`` to the new file ``output``.

    Args:
        size: short side in pixels to resize to first, or None to keep each image's size.
        seed: of the choice of the sample that symbol tables are learned from.
        skip_unreadable: leave unreadable images out instead of stopping.
        sample_images: at most so many are learned from; fewer where they are very large.
        on_images: called with the number of images written since its last call.

    Raises:
        SourceError: an image is unreadable. OutputExistsError: ``output`` exists. Nothing is left behind then.
    """
    began = time.monotonic()
    loader = _Loader(source, size=size, skip_unreadable=skip_unreadable)
    psnrs: list[float] = []
    kept: list[int] = []
    reports: list[tuple[int, int, int]] = []
    gains_db: list[float] = []
    outcomes: list[Outcome] = []
    moments = _ChannelMoments()
    targets = TargetColumns(source.annotations or Annotations())
    left_out = 0
    with InrdWriter(output) as writer:
        codebook = _learn(encoder, loader, _shuffled(len(source), seed), sample_images=sample_images)
        for numbers, images in loader.chunks(range(len(source))):
            if isinstance(encoder, SettlingEncoder):
                encoder.left_out(len(loader.skipped) - left_out)
                left_out = len(loader.skipped)
            for number, record, image in zip(numbers, encoder.encode(images), images, strict=True):
                writer.add(
                    record.data,
                    height=record.height,
                    width=record.width,
                    network=record.network,
                    psnr_db=record.psnr_db,
                )
                psnrs.append(record.psnr_db)
                outcomes.append(record.outcome)
                reports.append((record.steps, round(100 * record.sparsity), record.pruning_saved_bytes))
                gains_db.append(round(record.pruning_gain_db, 2))
                moments.add(image)
                targets.add(source.names[number], height=record.height, width=record.width)
            kept += numbers
            on_images(len(numbers))
        final = source.subset(kept)
        mean, std = moments.mean_std()
        for name, kind, column in (*source_fields(final), *targets.fields()):
            writer.add_field(name, kind, column)
        columns = dict(zip((STEPS_FIELD, SPARSITY_FIELD, SAVED_FIELD), zip(*reports, strict=True), strict=True))
        for name, values in columns.items() if any(columns[STEPS_FIELD]) else ():
            if any(values) or name != SAVED_FIELD:
                writer.add_field(name, FieldType.INT64, np.array(values, np.int64))
        if any(gains_db):
            writer.add_field(GAIN_FIELD, FieldType.FLOAT64, gains_db)
        if any(outcomes):  # absent, all images are as asked
            writer.add_field(OUTCOME_FIELD, FieldType.INT64, np.array(outcomes, np.int64))
        options = {**encoder.options_map(), "size": size}
        metadata = Metadata(
            classes=final.classes,
            channel_mean=mean,
            channel_std=std,
            generator=f"inrformat {inrformat.__version__}",
            options=options,
        )
        writer.finish(codebook=codebook.to_map(), metadata=metadata)
    return ConvertSummary(
        output=Path(output),
        samples=len(kept),
        bytes=Path(output).stat().st_size,
        pixels=moments.pixels,
        mean_psnr_db=float(np.mean(psnrs)),
        worst_psnr_db=float(np.min(psnrs)),
        skipped=tuple(loader.skipped),
        failures=tuple((n, o, p) for n, o, p in zip(final.names, outcomes, psnrs, strict=True) if o),
        seconds=time.monotonic() - began,
    )


def _learn(encoder: Encoder, loader: _Loader, order: list[int], *, sample_images: int) -> Codebook:
    """The codebook, from the first images of a random ``order`` of the whole source."""
    sample: list[Image] = []
    seen = 0
    for number in order[:sample_images]:
        if sum(i.size for i in sample) > _SAMPLE_VALUES:
            break
        image = loader.load(number)
        seen += 1
        sample += [] if image is None else [image]
    if not sample:
        raise SourceError(f"{loader.root}: none of its images could be read")
    codebook = encoder.train(sample, complete=seen == len(order))
    del sample
    if isinstance(encoder, SettlingEncoder) and encoder.settles:
        codebook = encoder.settle(lambda: (images for _, images in loader.chunks(order[:_SETTLE_IMAGES])))
    loader.skipped.clear()
    return codebook


def _shuffled(count: int, seed: int) -> list[int]:
    """Numbers of the images in a seeded random order: an encoder learns from the first few, and sees every class."""
    order: list[int] = np.random.default_rng(seed).permutation(count).tolist()
    return order
