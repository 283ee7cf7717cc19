"""One image after the other in compiled code, on all cores; and the search for the step that gives an image its PSNR.

Fit, choose classes, quantize, code, measure: the way of an image through the encoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from inrformat.encoding.record import EncodedRecord, Image, Outcome, psnr_db
from inrformat.families.cells.descriptor import SCALES_PER_OCTAVE
from inrformat.families.cells.encoder.codebook import CellsCodebook
from inrformat.families.cells.encoder.engine import on_threads
from inrformat.families.cells.encoder.fit import Fit, fit
from inrformat.families.cells.encoder.quantize import quantize_image
from inrformat.families.cells.encoder.rate_control import DB_PER_OCTAVE
from inrformat.families.cells.encoder.reconstruct import reconstruct
from inrformat.families.cells.record import SCALE_LIMIT

__all__ = ["NumbaEngine", "encode_fit", "encode_image", "encode_to_psnr"]


@dataclass(frozen=True, slots=True)
class NumbaEngine:
    """See ``engine.Engine``. ``threads``: images that are encoded at the same time."""

    threads: int

    def encode(
        self, codebook: CellsCodebook, images: Sequence[Image], scales: Sequence[int]
    ) -> Iterator[EncodedRecord]:
        """See ``engine.Engine``."""
        pairs = zip(images, scales, strict=True)
        return on_threads(lambda pair: encode_image(codebook, *pair), pairs, threads=self.threads)


def encode_image(codebook: CellsCodebook, image: Image, scale: int) -> EncodedRecord:
    """One image at a step scale."""
    codebook.check(image)
    return encode_fit(codebook, fit(image, codebook.network.colour), image, scale=scale)


def encode_fit(codebook: CellsCodebook, fitted: Fit, image: Image, *, scale: int) -> EncodedRecord:
    """The same for an image that has been fitted already."""
    quantized = quantize_image(fitted, codebook.network, codebook.model, scale=scale)
    decoded = reconstruct(codebook.network, quantized)
    return codebook.record_of(quantized.symbols, psnr_db=psnr_db(decoded, image))


def encode_to_psnr(codebook: CellsCodebook, image: Image, floor_db: float) -> EncodedRecord:
    """One image at the coarsest step scale that gives it a PSNR of at least ``floor_db``; marked where none does."""
    codebook.check(image)
    fitted = fit(image, codebook.network.colour)
    finest, coarsest = -SCALE_LIMIT, SCALE_LIMIT  # scale `finest` is taken to meet the floor
    guess = 0
    best: EncodedRecord | None = None
    while finest < coarsest:
        record = encode_fit(codebook, fitted, image, scale=guess)
        if record.psnr_db >= floor_db:
            finest, best = guess, record
        else:
            coarsest = guess - 1
        jump = round((record.psnr_db - floor_db) / DB_PER_OCTAVE * SCALES_PER_OCTAVE)
        guess = min(max(guess + jump, finest + 1), coarsest)
    record = best or encode_fit(codebook, fitted, image, scale=finest)
    return record if record.psnr_db >= floor_db else replace(record, outcome=Outcome.TARGET_MISSED)
