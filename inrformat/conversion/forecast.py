"""What a conversion would give, foretold from a sample of it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from inrformat.container.fields import encode_field
from inrformat.container.layout import HEAD_BLOCK_BYTES, PAGE_ALIGNMENT
from inrformat.container.packing import compress, pack_map
from inrformat.container.sizes import index_bytes_at_most, stored_record_bytes
from inrformat.conversion.columns import TargetColumns
from inrformat.conversion.plan import ConversionPlan
from inrformat.conversion.progress import Phase, Reporter
from inrformat.conversion.reading import ImageReader
from inrformat.encoding.record import EncodedRecord
from inrformat.errors import SourceError

__all__ = ["Forecast", "forecast"]

_SAMPLE_IMAGES = 256
_PIECE_IMAGES = 64


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect.

    Attributes:
        samples: images of the source, the unreadable share left out. bytes: of the file.
        mean_psnr_db: over all images. seconds: the whole conversion, learning included, on this machine as it is now.
        encoded: images that this was foretold from.
    """

    samples: int
    bytes: int
    mean_psnr_db: float
    seconds: float
    encoded: int


def forecast(plan: ConversionPlan, *, reporter: Reporter | None = None) -> Forecast:
    """Learn as the conversion would, and encode some images spread over the source; nothing is written.

    Raises:
        As ``convert``, but for what concerns the output.
    """
    reporter = reporter or Reporter()
    began = time.monotonic()
    trained = plan.learn(plan.encoder(reporter), reporter)
    learning_seconds = time.monotonic() - began
    count = len(plan.source.names)
    numbers = sorted({k * count // _SAMPLE_IMAGES for k in range(_SAMPLE_IMAGES)})
    reader = ImageReader(plan.source, plan.settings.reading, plan.settings.on_error, jobs=plan.settings.jobs)
    targets, records = TargetColumns(plan.source.columns), list[EncodedRecord]()
    reporter.begin(Phase.ENCODE, total=len(numbers))
    began = time.monotonic()
    for first in range(0, len(numbers), _PIECE_IMAGES):
        piece = list(reader.samples(numbers[first : first + _PIECE_IMAGES]))
        following = round((len(numbers) - first - len(piece)) * count / len(numbers)) if piece else 0
        records += trained.encode([sample.pixels for sample in piece], following=max(following, 1))
        for sample in piece:
            targets.add(sample.name, sample.values)
    if not records:
        raise SourceError(f"{plan.source.place}: none of the images looked at could be read")
    encoding_seconds = time.monotonic() - began
    readable = round(count * len(records) / len(numbers))
    scale = readable / len(records)
    heights, widths = (np.array([getattr(r, side) for r in records], np.int64) for side in ("height", "width"))
    index = index_bytes_at_most(heights, widths, longest_record_bytes=max(len(r.data) for r in records))
    columns = sum(len(compress(encode_field(f.type, f.values))) for f in targets.fields())
    payload = sum(stored_record_bytes(len(r.data)) for r in records)
    fixed = HEAD_BLOCK_BYTES + PAGE_ALIGNMENT // 2 + len(compress(pack_map(trained.codebook.to_map())))
    return Forecast(
        samples=readable,
        bytes=round(fixed + scale * (payload + index + columns)),
        mean_psnr_db=float(np.mean([r.psnr_db for r in records])),
        seconds=learning_seconds + encoding_seconds * count / len(numbers),
        encoded=len(records),
    )
