"""What a file of a wanted size leaves for records, once everything else that will be in it is measured."""

from __future__ import annotations

import numpy as np

from inrformat.container.fields import encode_field
from inrformat.container.metadata import FieldSpec, Metadata
from inrformat.container.packing import compress
from inrformat.container.writer import payload_budget_bytes
from inrformat.convert.annotations import Annotations
from inrformat.convert.columns import TargetColumns, source_fields
from inrformat.convert.sources import ImageSource, stored_size
from inrformat.encode.corpus import SizeBudget

__all__ = ["size_budget"]

_INDEX_BYTES = 160  # header, column heads and the padding of arrays
_ENTRY_BYTES = 4 + 2  # checksum and PSNR of a record
_METADATA_BYTES = 384  # generator, options, channel moments: not known before the conversion, but small


def size_budget(source: ImageSource, target_bytes: int, *, size: int | None = None) -> SizeBudget:
    """What a file of ``target_bytes`` has for the records of ``source``, once the codebook is known.

    Reads the header of every image, and makes every annotation's column as the conversion will: masks cost what they
    cost only when they are compressed.

    Args:
        size: short side in pixels that images will be resized to.

    Raises:
        SourceError: a mask is unreadable.
    """
    found = {n: s for n, name in enumerate(source.names) if (s := stored_size(source.root / name, size=size))}
    readable = source.subset(list(found))
    targets = TargetColumns(source.annotations or Annotations())
    for name, (height, width) in zip(readable.names, found.values(), strict=True):
        targets.add(name, height=height, width=width)
    fields = [*source_fields(readable), *targets.fields()]
    metadata = Metadata(classes=source.classes, fields=tuple(FieldSpec(name, kind) for name, kind, _ in fields))
    metadata_bytes = len(compress(metadata.to_bytes())) + _METADATA_BYTES
    field_bytes = [len(compress(encode_field(kind, values))) for _, kind, values in fields]
    index_bytes = _index_bytes(list(found.values()))

    def room(codebook_bytes: int) -> int:
        return payload_budget_bytes(
            target_bytes, index_bytes=index_bytes, cold_bytes=[metadata_bytes, codebook_bytes], field_bytes=field_bytes
        )

    return room


def _index_bytes(sizes: list[tuple[int, int]]) -> int:
    """At most, of the record index of images of these (height, width)."""
    sides = np.array(sizes, np.int64).reshape(-1, 2)
    length_bytes = 2 if 6 * sides.prod(axis=1).max(initial=0) < 1 << 16 else 4  # no record is twice its pixels
    side_bytes = 2 * sum(len(np.unique(side)) > 1 for side in sides.T)
    return _INDEX_BYTES + (_ENTRY_BYTES + length_bytes + side_bytes) * len(sides)
