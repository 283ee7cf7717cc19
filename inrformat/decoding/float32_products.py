"""Matrix products of float32 in float32, whatever a training script has chosen for its own.

``torch.set_float32_matmul_precision``, the flags of ``torch.backends`` and autocast make products of float32 round
their factors to 10 bits or fewer. A reference must not depend on that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

__all__ = ["float32_products"]

_EXACT = "ieee"


class _Setting:
    """The process's choice of precision: whoever enters first puts it aside, whoever leaves last puts it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._found: list[str] = []

    def enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._found = _precisions()
                _set_precisions([_EXACT] * len(self._found))
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _set_precisions(self._found)


_SETTING = _Setting()


@contextmanager
def float32_products() -> Iterator[None]:
    """Within, on every device and in every thread, products of float32 are exact but for float32's own rounding.

    Also a decorator. Backward passes outside of it are the caller's.
    """
    with ExitStack() as stack:
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        _SETTING.enter()
        stack.callback(_SETTING.leave)
        yield


def _precisions() -> list[str]:
    """Of products on CUDA and on the CPU; before torch 2.9, one for both."""
    backends: Any = torch.backends
    if hasattr(backends.cuda.matmul, "fp32_precision"):
        return [backends.cuda.matmul.fp32_precision, backends.mkldnn.matmul.fp32_precision]
    return [torch.get_float32_matmul_precision()]


def _set_precisions(names: list[str]) -> None:
    if len(names) == 1:
        torch.set_float32_matmul_precision("highest" if names[0] == _EXACT else names[0])
    else:
        backends: Any = torch.backends
        backends.cuda.matmul.fp32_precision, backends.mkldnn.matmul.fp32_precision = names
