"""Images to decodable records without a file: for measurements and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from inrformat.decoding.records import DeviceRecords, join_records
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.encoder import EncoderOptions
from inrformat.encoding.record import EncodedRecord, Image
from inrformat.families.registry import family_named

__all__ = ["InMemory", "encode_in_memory"]

_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """Encoded images.

    Attributes:
        encoded: what the encoder says of each. records: the same, ready to be decoded on the CPU.
    """

    encoded: list[EncodedRecord]
    records: DeviceRecords

    @property
    def mean_psnr_db(self) -> float:
        """Mean over the images."""
        return float(np.mean([record.psnr_db for record in self.encoded]))

    @property
    def rate_bpp(self) -> float:
        """Bits per pixel of the records alone."""
        pixels = sum(record.height * record.width for record in self.encoded)
        return 8 * sum(len(record.data) for record in self.encoded) / pixels


def encode_in_memory(
    images: Sequence[Image], options: EncoderOptions, *, sample: Sequence[Image] | None = None
) -> InMemory:
    """Encode ``images`` on the CPU with what is learned from ``sample``, or from themselves."""
    encoder = (
        family_named(options.family).encoder().make_encoder(options, device=_CPU, on_progress=lambda _images: None)
    )
    corpus = Corpus.of(images if sample is None else sample, complete=sample is None)
    trained = encoder.train(corpus)
    encoded = trained.encode(images)
    shapes = np.array([(r.network, r.height, r.width) for r in encoded], np.int64).reshape(-1, 3)
    records = join_records([r.data for r in encoded], trained.codebook, shapes=shapes, device=_CPU)
    return InMemory(encoded, records)
