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

__all__ = ["Shards", "Source", "opened"]

Source = InrdDataset | ConcatDataset[Any] | Subset[Any] | str | os.PathLike[str] | Sequence[Any]
"""An `InrdDataset`, a path, a ``Subset`` or ``ConcatDataset`` of those, or a sequence of any of them."""


def opened(source: Source) -> InrdDataset | ConcatDataset[Any] | Subset[Any]:
    """``source`` as one data set, its paths opened.

    Raises:
        UsageError: it holds something that is not an .inrd.
    """
    if isinstance(source, str | os.PathLike):
        return InrdDataset(source)
    if isinstance(source, InrdDataset | ConcatDataset | Subset):
        return source
    if not isinstance(source, list | tuple) or not source:
        raise UsageError(f"expected InrdDataset, a path, or a Subset or ConcatDataset of those, got {source!r}")
    return ConcatDataset([opened(part) for part in source])


@dataclass(frozen=True, slots=True, eq=False)
class Shards:
    """A data set of one or several files.

    Attributes:
        files: the files, each once. file, row: int32 and int64 ``(samples,)``: of each sample, its file and its number
            there.
    """

    files: tuple[InrdDataset, ...]
    file: NDArray[np.int32]
    row: NDArray[np.int64]

    @classmethod
    def of(cls, source: Source) -> Shards:
        """Look through ``source``.

        Raises:
            UsageError: it holds something that is not an .inrd, or files whose classes differ.
        """
        files: list[InrdDataset] = []
        file, row = _located(source, files)
        if not files:
            raise UsageError("no data set given")
        names = {tuple(f.classes) for f in files}
        if len(names) > 1:
            raise UsageError("the files do not have the same classes: convert them with one list of classes")
        return cls(tuple(files), file, row)

    def __len__(self) -> int:
        return len(self.row)

    def column(self, name: str) -> NDArray[np.int32]:
        """An index column, ``heights`` or ``widths`` in pixels, of all samples: int32 ``(samples,)``."""
        result = np.empty(len(self), np.int32)
        for number, dataset in enumerate(self.files):
            mine = self.file == number
            result[mine] = getattr(dataset.reader.index, name)[self.row[mine]]
        return result

    def frame(self) -> Frame:
        """What is known of the native sizes of all samples."""
        return Frame.of(self.column("heights"), self.column("widths"))

    def whole_targets(self) -> Tensor | None:
        """The targets of all samples as one tensor, where every file has them so."""
        columns = [f.column.whole for f in self.files if f.column.whole is not None]
        if len(columns) < len(self.files) or len({c.shape[1:] for c in columns}) > 1:
            return None
        result = columns[0].new_empty((len(self), *columns[0].shape[1:]))
        file, row = torch.from_numpy(self.file), torch.from_numpy(self.row)
        for number, column in enumerate(columns):
            mine = file == number
            result[mine] = column[row[mine]]
        return result

    def target(self, sample: int) -> Any:
        """The target of one sample, in native pixels."""
        return self.files[int(self.file[sample])].column[int(self.row[sample])]


def _located(source: Any, files: list[InrdDataset]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """File number and row of each sample; files not seen before are appended to ``files``."""
    if isinstance(source, str | os.PathLike):
        source = InrdDataset(source)
    if isinstance(source, InrdDataset):
        number = next((k for k, known in enumerate(files) if known is source), len(files))
        if number == len(files):
            files.append(source)
        return np.full(len(source), number, np.int32), np.arange(len(source))
    if isinstance(source, Subset):
        file, row = _located(source.dataset, files)
        chosen = np.asarray(source.indices, np.int64)
        return file[chosen], row[chosen]
    parts = source.datasets if isinstance(source, ConcatDataset) else source
    if not isinstance(parts, list | tuple):
        given = type(source).__name__
        raise UsageError(f"expected InrdDataset, a path, or a Subset or ConcatDataset of those, got {given}")
    located = [_located(part, files) for part in parts]
    no_file, no_row = np.empty(0, np.int32), np.empty(0, np.int64)
    return np.concatenate([no_file, *(f for f, _ in located)]), np.concatenate([no_row, *(r for _, r in located)])
