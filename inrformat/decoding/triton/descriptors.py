"""Network descriptors as flat arrays that kernels read: what those of all families share.

Each family keeps arrays of its own: ``heads``, a row for every network of the file, whose fields are numbers or say
where a list begins in ``integers`` or ``floats``. Numbers of symbol tables are absolute and inside the file's tables,
so that kernels need not check them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import triton.language as tl
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["IN_FAMILY", "DescriptorArrays", "Descriptors", "FlatArray"]

IN_FAMILY = tl.constexpr(0)
"""The first field of every family: 1 for its own networks, 0 for those of others, whose samples its kernels leave."""


@dataclass(frozen=True, slots=True, eq=False)
class Descriptors:
    """On the device: ``heads`` int32 ``(networks, fields)``, and ``integers`` int32 and ``floats`` float32, flat."""

    heads: Tensor
    integers: Tensor
    floats: Tensor


class FlatArray:
    """Lists of numbers put end to end."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.float64]] = []
        self._size = 0

    def add(self, values: object) -> int:
        """Append any array of numbers; returns where it begins."""
        array = np.asarray(values, np.float64).ravel()
        self._parts.append(array)
        self._size += len(array)
        return self._size - len(array)

    def to(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """All of them, and a zero behind, so that none is a tensor of nothing."""
        return torch.from_numpy(np.concatenate([*self._parts, np.zeros(1)])).to(dtype).to(device)


class DescriptorArrays:
    """`Descriptors` on the host, while a family fills them."""

    def __init__(self, *, networks: int, fields: int) -> None:
        self.heads = np.zeros((networks, fields), np.int32)
        self.integers = FlatArray()
        self.floats = FlatArray()

    def to(self, device: torch.device) -> Descriptors:
        """Copy to ``device``."""
        return Descriptors(
            heads=torch.from_numpy(self.heads).to(device),
            integers=self.integers.to(device, torch.int32),
            floats=self.floats.to(device, torch.float32),
        )
