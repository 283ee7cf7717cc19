"""Records of open files into a new one, with their columns."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.container.fields import VariableColumn
from inrformat.container.metadata import FieldSpec, Metadata
from inrformat.container.reader import InrdReader
from inrformat.container.targets import BOX_LABELS_FIELD, LABEL_FIELD, LABELS_FIELD, NAME_FIELD
from inrformat.container.writer import InrdWriter
from inrformat.errors import UsageError
from inrformat.files.new_file import new_file

__all__ = ["Part", "copy_records"]

_COPIED_TOGETHER = 256
_CLASS_COLUMNS = (LABEL_FIELD, LABELS_FIELD, BOX_LABELS_FIELD)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """Some records of a file.

    Attributes:
        reader: of the file. rows: the records' numbers, in the order they are to have.
        networks: what its network numbers become. classes: what its class numbers become. prefix: put before its names.
    """

    reader: InrdReader
    rows: NDArray[np.int64]
    networks: Sequence[int]
    classes: Sequence[int]
    prefix: str = ""

    def values(self, name: str) -> list[Any]:
        """A column of the chosen records, class numbers and names as they are to be."""
        column = self.reader.field(name)
        if column is None:
            raise UsageError(f"{self.reader.path}: no column {name!r}, which another file has; leave it out or add it")
        values = [column[row] for row in self.rows.tolist()]
        if name == NAME_FIELD:
            return [self.prefix + value for value in values]
        if name in _CLASS_COLUMNS:
            numbers = np.asarray(self.classes, np.int64)
            return [numbers[value] for value in values]
        return values if isinstance(column, VariableColumn) else [value.item() for value in values]


def copy_records(
    parts: Sequence[Part],
    output: str | os.PathLike[str],
    *,
    columns: Sequence[FieldSpec],
    codebook: Mapping[str, Any],
    metadata: Metadata,
    on_records: Callable[[int], None] = lambda _count: None,
) -> None:
    """Write a new file of the parts' records, in order; their bytes stay as they are.

    Args:
        on_records: called with how many were copied since its last call.

    Raises:
        OutputExistsError: ``output`` exists. SourceError: there is no folder for it. UsageError: a file does not say
            what PSNR its records have, or lacks a column.
    """
    with InrdWriter(new_file(output)) as writer:
        for part in parts:
            index = part.reader.index
            if index.psnr_db is None:
                raise UsageError(f"{part.reader.path}: no column of PSNR in its index, which files written here have")
            for first in range(0, len(part.rows), _COPIED_TOGETHER):
                rows = part.rows[first : first + _COPIED_TOGETHER].tolist()
                for row, record in zip(rows, part.reader.records(rows), strict=True):
                    writer.add(
                        record,
                        height=int(index.heights[row]),
                        width=int(index.widths[row]),
                        network=part.networks[int(index.networks[row])],
                        psnr_db=float(index.psnr_db[row]),
                    )
                on_records(len(rows))
        for spec in columns:
            writer.add_field(spec.name, spec.type, [value for part in parts for value in part.values(spec.name)])
        writer.finish(codebook=codebook, metadata=metadata)
