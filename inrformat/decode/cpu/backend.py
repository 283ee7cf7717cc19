"""What the CPU decoder of a network family has to offer; a module of these names is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inrformat.decode.cpu.batch import Batch
from inrformat.decode.cpu.epilogue import Finish
from inrformat.decode.cpu.sampling import Maps
from inrformat.families.family import Network

__all__ = ["CpuBackend"]


class CpuBackend(Protocol):
    """The CPU decoder of one family."""

    FAULTS: Mapping[int, tuple[str, str]]
    """Rule and text of each status of its own, from ``rans.FIRST_FAMILY_FAULT`` on."""

    def prepare(self, network: Network) -> Any:
        """A descriptor as a named tuple of arrays and numbers, for ``decode``; made once for a file."""

    def colours(self, network: Network) -> tuple[NDArray[np.float32], float]:
        """Matrix float32 ``(C, C)`` and offset: colours in [0, 1] are ``matrix^T y + offset`` of network outputs y."""

    def decode(
        self, net: Any, slots: NDArray[Any], batch: Batch, maps: Maps, form: Finish, size: tuple[int, int],
        members: NDArray[np.int64], pixels: NDArray[np.float32], status: NDArray[np.int64],
    ) -> None:  # fmt: skip
        """Decode some samples of a batch; compiled, and called by several threads at once.

        Args:
            net: what ``prepare`` made. slots: of ``TableSet``. size: height and width of the output in pixels.
            members: int64, which samples. pixels: float32, flat and of the whole batch, written to. status: int64
                ``(B,)``, written to.
        """
