"""What the CPU decoder of a network family has to offer; a module of these names is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inrformat.decoding.cpu.batch import Batch, Maps
from inrformat.decoding.cpu.epilogue import ColourTransform, Epilogue
from inrformat.families.family import Network

__all__ = ["CpuBackend"]


class CpuBackend(Protocol):
    """The CPU decoder of one family."""

    FAULTS: Mapping[int, tuple[str, str]]
    """Rule and text of each status of its own, from ``rans.FIRST_FAMILY_FAULT`` on."""

    def flatten(self, network: Network) -> Any:
        """A descriptor as a named tuple of arrays and numbers, for ``decode``; made once for a file."""

    def colour_transform(self, network: Network) -> ColourTransform:
        """How the outputs of such networks become colours."""

    def decode(
        self,
        network: Any,
        batch: Batch,
        maps: Maps,
        epilogue: Epilogue,
        members: NDArray[np.int64],
        pixels: NDArray[np.float32],
        status: NDArray[np.int64],
    ) -> None:
        """Decode some samples of a batch; compiled, and called by several threads at once.

        Args:
            network: what ``flatten`` made. members: int64, which samples; all are of this network.
            pixels: float32, flat and of the whole batch, written to. status: int64 ``(B,)``, written to.
        """
