"""The smallest kernel: whether Triton can compile and launch one here, asked before a batch depends on it."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

__all__ = ["launch"]


@triton.jit
def _store_one(out):
    tl.store(out, 1)


def launch(device: torch.device) -> Tensor:
    """Compile and launch a kernel, which stores 1 in the result, int32 ``(1,)``; does not wait for it.

    Raises:
        RuntimeError, OSError, ImportError, AssertionError, subprocess.SubprocessError: what Triton raises where a C
            compiler, Python's headers, the driver's library or a writable cache are missing.
    """
    out = torch.zeros(1, dtype=torch.int32, device=device)
    kernel: Any = _store_one
    kernel[(1,)](out)
    return out
