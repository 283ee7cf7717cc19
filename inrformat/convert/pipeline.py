"""The conversion: scan, learn from a sample, then stream images through the encoder into the writer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import inrformat
from inrformat.container.fields import FieldType
from inrformat.container.metadata import Metadata
from inrformat.container.writer import InrdWriter
from inrformat.convert.annotations import Annotations
from inrformat.convert.columns import TargetColumns
from inrformat.convert.sources import ImageSource, load_image
from inrformat.encode.record import Encoder, Image
from inrformat.errors import SourceError

__all__ = ["LABEL_FIELD", "NAME_FIELD", "ConvertSummary", "convert"]

LABEL_FIELD, NAME_FIELD = "label", "name"
STEPS_FIELD, SPARSITY_FIELD = "fit_steps", "zero_weights_percent"
_SAMPLE_IMAGES = 256
_CHUNK_IMAGES = 256
_CHUNK_PIXELS = 1 << 24


@dataclass(frozen=True, slots=True)
class ConvertSummary:
    """What a conversion produced.

    Attributes:
        output: the file. samples: images in it. bytes: its size. pixels: of all images at native size.
        mean_psnr_db, worst_psnr_db: of the stored images. skipped: names of unreadable images that were left out.
        seconds: the whole conversion took.
    """

    output: Path
    samples: int
    bytes: int
    pixels: int
    mean_psnr_db: float
    worst_psnr_db: float
    skipped: tuple[str, ...]
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

    def chunks(self) -> Iterator[tuple[list[int], list[Image]]]:
        """All readable images in order, in pieces that fit in memory: their numbers and pixels."""
        numbers: list[int] = []
        images: list[Image] = []
        for number in range(len(self._source)):
            image = self.load(number)
            if image is None:
                continue
            numbers.append(number)
            images.append(image)
            if len(images) == _CHUNK_IMAGES or sum(i.size for i in images) >= 3 * _CHUNK_PIXELS:
                yield numbers, images
                numbers, images = [], []
        if images:
            yield numbers, images


def convert(
    source: ImageSource,
    output: str | os.PathLike[str],
    encoder: Encoder,
    *,
    size: int | None = None,
    seed: int = 0,
    skip_unreadable: bool = False,
    on_images: Callable[[int], None] = lambda _count: None,
) -> ConvertSummary:
    """Convert the images of ``source`` to the new file ``output``.

    Args:
        size: short side in pixels to resize to first, or None to keep each image's size.
        seed: of the choice of the sample that symbol tables are learned from.
        skip_unreadable: leave unreadable images out instead of stopping.
        on_images: called with the number of images written since its last call.

    Raises:
        SourceError: an image is unreadable. OutputExistsError: ``output`` exists. Nothing is left behind then.
    """
    began = time.monotonic()
    loader = _Loader(source, size=size, skip_unreadable=skip_unreadable)
    psnrs: list[float] = []
    kept: list[int] = []
    reports: list[tuple[int, int]] = []
    moments = _ChannelMoments()
    targets = TargetColumns(source.annotations or Annotations())
    with InrdWriter(output) as writer:
        sample = [image for number in _sample(len(source), seed) if (image := loader.load(number)) is not None]
        if not sample:
            raise SourceError(f"{source.root}: none of its images could be read")
        loader.skipped.clear()
        codebook = encoder.train(sample, complete=len(source) <= _SAMPLE_IMAGES)
        del sample
        for numbers, images in loader.chunks():
            for number, record, image in zip(numbers, encoder.encode(images), images, strict=True):
                writer.add(
                    record.data,
                    height=record.height,
                    width=record.width,
                    network=record.network,
                    psnr_db=record.psnr_db,
                )
                psnrs.append(record.psnr_db)
                reports.append((record.steps, round(100 * record.sparsity)))
                moments.add(image)
                targets.add(source.names[number], height=record.height, width=record.width)
            kept += numbers
            on_images(len(numbers))
        final = source.subset(kept)
        mean, std = moments.mean_std()
        if final.labels is not None:
            writer.add_field(LABEL_FIELD, FieldType.INT64, np.array(final.labels, np.int64))
        writer.add_field(NAME_FIELD, FieldType.UTF8, final.names)
        for name, kind, column in targets.fields():
            writer.add_field(name, kind, column)
        if any(steps for steps, _ in reports):
            for name, values in zip((STEPS_FIELD, SPARSITY_FIELD), zip(*reports, strict=True), strict=True):
                writer.add_field(name, FieldType.INT64, np.array(values, np.int64))
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
        seconds=time.monotonic() - began,
    )


def _sample(count: int, seed: int) -> list[int]:
    """Numbers of the images to learn from: all of a small set, a seeded choice of a large one.

    In random order, so that an encoder that learns from the first few of them sees every class.
    """
    chosen: NDArray[np.int64] = np.random.default_rng(seed).permutation(count)[:_SAMPLE_IMAGES]
    numbers: list[int] = chosen.tolist()
    return numbers
