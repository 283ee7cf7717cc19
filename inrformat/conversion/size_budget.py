"""What a file of a wanted size leaves for records, once everything else that will be in it is measured."""

from __future__ import annotations

import numpy as np

from inrformat.container.fields import encode_field
from inrformat.container.metadata import FieldSpec, Metadata
from inrformat.container.packing import compress
from inrformat.container.sizes import index_bytes_at_most, payload_budget_bytes
from inrformat.conversion.columns import TargetColumns, class_names_by_number, values_of
from inrformat.conversion.pixels.options import ReadOptions
from inrformat.conversion.pixels.read import read_size
from inrformat.conversion.sources.source import Source
from inrformat.encoding.corpus import SizeBudget

__all__ = ["size_budget"]

_LATER_METADATA_BYTES = 384
"""Generator, options and channel moments: not known before the conversion, but small."""
_RECORD_BYTES_PER_PIXEL = 6
"""No record is twice as large as its pixels of three bytes."""


def size_budget(source: Source, target_bytes: int, *, options: ReadOptions) -> SizeBudget:
    """What a file of ``target_bytes`` leaves for the records of ``source``, once the codebook is known.

    Reads the header of every image, and makes every annotation's column as the conversion will: masks cost what they
    cost only when they are compressed.

    Raises:
        SourceError: a mask is unreadable.
    """
    columns = source.columns
    targets, sizes = TargetColumns(columns), []
    for number, name in enumerate(source.names):
        sample = source.sample(number)
        size = read_size(sample.image, options, upright=not sample.as_stored)
        if size is not None:
            height, width = size
            targets.add(name, values_of(columns, sample.values, sample.annotation, height=height, width=width))
            sizes.append(size)
    fields = targets.fields()
    classes = source.classes or class_names_by_number(fields)
    metadata = Metadata(classes=classes, fields=tuple(FieldSpec(name, kind) for name, kind, _ in fields))
    metadata_bytes = len(compress(metadata.to_bytes())) + _LATER_METADATA_BYTES
    field_bytes = [len(compress(encode_field(kind, values))) for _, kind, values in fields]
    heights, widths = np.array(sizes, np.int64).reshape(-1, 2).T
    longest_record_bytes = _RECORD_BYTES_PER_PIXEL * int((heights * widths).max(initial=0))
    index_bytes = index_bytes_at_most(heights, widths, longest_record_bytes=longest_record_bytes)

    def budget(codebook_bytes: int) -> int:
        return payload_budget_bytes(
            target_bytes, index_bytes=index_bytes, cold_bytes=[metadata_bytes, codebook_bytes], field_bytes=field_bytes
        )

    return budget
