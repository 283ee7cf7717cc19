"""Tensors one behind the other in a single piece of memory."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["Arena", "measuring_arena"]

_ALIGNMENT_BYTES = 256
"""As torch's own allocator aligns: kernels are compiled for pointers that are multiples of 16."""


class Arena:
    """Memory, uint8 ``(n,)``, of which tensors are cut off from the front.

    Attributes:
        used_bytes: of the memory, by the tensors so far.
    """

    def __init__(self, memory: Tensor) -> None:
        self._memory = memory
        self.used_bytes = 0

    def empty(self, *shape: int, dtype: torch.dtype) -> Tensor:
        """A tensor of ``shape``, whose numbers are whatever lies there."""
        start = self.used_bytes
        stop = start + math.prod(shape) * dtype.itemsize
        self.used_bytes = -(-stop // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES
        return self._memory[start:stop].view(dtype).view(shape)


def measuring_arena() -> Arena:
    """An arena of endless memory that is nowhere, to find out how much is needed."""
    return Arena(torch.empty(1 << 62, dtype=torch.uint8, device="meta"))
