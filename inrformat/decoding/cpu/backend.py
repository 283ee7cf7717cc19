"""What the CPU decoder of a network family has to offer; a module of these names is one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.tables import TableSet
from inrformat.decoding.cpu.batch import Batch, Maps
from inrformat.decoding.cpu.epilogue import ColourTransform, Epilogue
from inrformat.families.codebook import Codebook
from inrformat.families.family import Network

__all__ = ["CpuBackend"]


class CpuBackend(Protocol):
    """The CPU decoder of one family."""

    FAULTS: Mapping[int, tuple[str, str]]
    """Rule and text of each status of its own, from ``rans.FIRST_FAMILY_FAULT`` on."""

    def example(self) -> Codebook:
        """One with a small network of the family: what is compiled for it is compiled for all."""

    def flatten(self, network: Network, tables: TableSet) -> Any:
        """A descriptor as a named tuple of arrays and numbers, for ``read`` and ``render``; made once for a file.

        ``tables``: of the file.
        """

    def colour_transform(self, network: Network) -> ColourTransform:
        """How the outputs of such networks become colours."""

    def read(
        self,
        network: Any,
        batch: Batch,
        members: NDArray[np.int64],
        seen: NDArray[np.float64],
        status: NDArray[np.int64],
    ) -> Any:
        """The weights of some samples of a batch; like ``render`` compiled, and called by several threads at once.

        Args:
            network: what ``flatten`` made. members: int64, which samples; all are of this network.
            seen: float64 ``(B, 4)``: left, top, right, bottom of what will be asked for of each sample, native px.
            status: int64 ``(B,)``, written to. Nothing needs to be read behind a damaged record.

        Returns:
            What ``render`` takes, if no record was damaged.
        """

    def render(
        self,
        network: Any,
        weights: Any,
        batch: Batch,
        members: NDArray[np.int64],
        maps: Maps,
        epilogue: Epilogue,
        pixels: NDArray[np.float32],
    ) -> None:
        """Write the pixels of the samples whose weights were read, under one geometry.

        Args:
            pixels: float32, flat and of the whole batch, written to.
        """
