"""What an encoder learns from before it encodes the first image of a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from inrformat.conversion.reading import ImageReader
from inrformat.conversion.settings import Settings
from inrformat.conversion.size_budget import size_budget
from inrformat.conversion.sources.source import Source
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.record import Image
from inrformat.errors import SourceError

__all__ = ["corpus_of"]

_SAMPLE_VALUES = 3 * (6 << 20)
"""As many as codebooks are learned from: more images would only take memory."""
_CALIBRATION_IMAGES, _CALIBRATION_BATCH = 4096, 64


def corpus_of(source: Source, settings: Settings) -> Corpus:
    """The first images of a random order of the whole source, and ways to see more of it.

    Raises:
        SourceError: none of them can be read, or more cannot be than may be left out.
    """
    order: list[int] = np.random.default_rng(settings.seed).permutation(len(source.names)).tolist()
    reader = _reader(source, settings)
    sample: list[Image] = []
    values = 0
    chosen = order[: settings.sample_images]
    for read in reader.samples(chosen):
        sample.append(read.pixels)
        values += read.pixels.size
        if values > _SAMPLE_VALUES:
            break
    if not sample:
        raise SourceError(f"{source.place}: none of its images could be read{_first_reason(reader)}")
    return Corpus(
        sample=sample,
        complete=len(sample) + len(reader.skipped) == len(order),
        length=len(order),
        batches=partial(_batches, source, settings, order[:_CALIBRATION_IMAGES]),
        size_budget=partial(size_budget, source, options=settings.reading),
    )


def _reader(source: Source, settings: Settings) -> ImageReader:
    return ImageReader(source, settings.reading, settings.on_error, jobs=settings.jobs)


def _first_reason(reader: ImageReader) -> str:
    return f"; the first: {next(iter(reader.skipped.values())).reason}" if reader.skipped else ""


def _batches(source: Source, settings: Settings, numbers: Sequence[int]) -> Iterator[Sequence[Image]]:
    batch: list[Image] = []
    for read in _reader(source, settings).samples(numbers):
        batch.append(read.pixels)
        if len(batch) == _CALIBRATION_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
