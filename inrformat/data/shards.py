"""Data sets made of data sets, seen as what they are: files, and for each sample its file and its row there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset

from inrformat.data.dataset import InrdDataset
from inrformat.data.transforms.plan import Frame
from inrformat.errors import UsageError

__all__ = ["Shards", "Source"]

Source = InrdDataset | ConcatDataset[Any] | Subset[Any] | str | os.PathLike[str] | Sequence[Any]
"""An `InrdDataset`, a path, a ``Subset`` or ``ConcatDataset`` of those, or a sequence of any of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Shards:
    """A data set of one or several files.

    Attributes:
        files: the files, each once. file, row: int64 ``(samples,)``: of each sample, its file and its number there.
    """

    files: tuple[InrdDataset, ...]
    file: NDArray[np.int64]
    row: NDArray[np.int64]

    @classmethod
    def of(cls, source: Source) -> Shards:
        """Look through ``source``.

        Raises:
            UsageError: it holds something that is not an .inrd, or files whose classes differ.
        """
        files: list[InrdDataset] = []
        pieces = [(number, rows) for number, rows in _pieces(source, files)]
        if not pieces:
            raise UsageError("no data set given")
        names = {tuple(f.classes) for f in files}
        if len(names) > 1:
            raise UsageError("the files do not have the same classes: convert them with one list of classes")
        file = np.concatenate([np.full(len(rows), number) for number, rows in pieces])
        return cls(tuple(files), file, np.concatenate([rows for _, rows in pieces]))

    def __len__(self) -> int:
        return len(self.row)

    def column(self, name: str) -> NDArray[np.int64]:
        """An index column, ``heights`` or ``widths`` in pixels, of all samples: int64 ``(samples,)``."""
        result = np.empty(len(self), np.int64)
        for number, dataset in enumerate(self.files):
            mine = self.file == number
            result[mine] = getattr(dataset.reader.index, name)[self.row[mine]]
        return result

    def frame(self) -> Frame:
        """What is known of the native sizes of all samples."""
        heights, widths = self.column("heights"), self.column("widths")
        if not len(heights):
            return Frame()
        shortest = int(min(heights.min(), widths.min()))
        one = heights.min() == heights.max() and widths.min() == widths.max()
        return Frame((int(heights[0]), int(widths[0])) if one else None, shortest)

    def whole_targets(self) -> Tensor | None:
        """The targets of all samples as one tensor, where every file has them so."""
        columns = [f.column.whole for f in self.files]
        if any(c is None or c.shape[1:] != columns[0].shape[1:] for c in columns if columns[0] is not None):
            return None
        if columns[0] is None:
            return None
        result = columns[0].new_empty((len(self), *columns[0].shape[1:]))
        for number, column in enumerate(columns):
            mine = torch.from_numpy(self.file == number)
            result[mine] = column[torch.from_numpy(self.row)[mine]]  # type: ignore[index]
        return result

    def target(self, sample: int) -> Any:
        """The target of one sample, in native pixels."""
        return self.files[int(self.file[sample])].column[int(self.row[sample])]


def _pieces(source: Any, files: list[InrdDataset]) -> list[tuple[int, NDArray[np.int64]]]:
    """(number of file, rows in it) in order; files not seen before are appended to ``files``."""
    if isinstance(source, InrdDataset):
        number = next((k for k, known in enumerate(files) if known is source), len(files))
        if number == len(files):
            files.append(source)
        return [(number, np.arange(len(source)))]
    if isinstance(source, str | os.PathLike):
        return _pieces(InrdDataset(source), files)
    if isinstance(source, Subset):
        inner = _pieces(source.dataset, files)
        numbers = np.concatenate([np.full(len(rows), n) for n, rows in inner])
        rows = np.concatenate([rows for _, rows in inner])
        chosen = np.asarray(source.indices, np.int64)
        # Runs of one file stay together, in the subset's order.
        cuts = np.flatnonzero(np.diff(numbers[chosen])) + 1
        return [(int(numbers[part[0]]), rows[part]) for part in np.split(chosen, cuts) if len(part)]
    if isinstance(source, ConcatDataset):
        source = source.datasets
    if isinstance(source, list | tuple):
        return [piece for part in source for piece in _pieces(part, files)]
    raise UsageError(
        f"expected InrdDataset, a path, or a Subset or ConcatDataset of those, got {type(source).__name__}"
    )
