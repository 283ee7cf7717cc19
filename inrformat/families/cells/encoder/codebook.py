"""A codebook as the encoder uses it, and where one that is not learned comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from inrformat.container.packing import compress, pack_map
from inrformat.container.reader import InrdReader
from inrformat.encoding.record import EncodedRecord, Image
from inrformat.errors import UsageError
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.model import Model, model_of
from inrformat.families.cells.record import CellSymbols, write_record
from inrformat.families.codebook import Codebook

__all__ = ["BUILTIN", "CellsCodebook", "read_codebook"]

BUILTIN = "builtin"
"""What stands for a built-in codebook in the place of a file's path."""


@dataclass(frozen=True, slots=True, eq=False)
class CellsCodebook:
    """A codebook and the one of its networks that records are written under.

    Attributes:
        codebook: with everything that goes into the file. number: of the network in it. network: that network.
        model: the costs that decisions are taken by.
    """

    codebook: Codebook
    number: int
    network: Cells
    model: Model

    @classmethod
    def of(cls, codebook: Codebook) -> CellsCodebook:
        """With the first ``cells`` network there is.

        Raises:
            UsageError: there is none.
        """
        for number, network in enumerate(codebook.networks):
            if isinstance(network, Cells):
                return cls(codebook, number, network, model_of(network, codebook.tables))
        raise UsageError("the codebook given has no cells network: take one from a file of that family")

    def with_step(self, step: float) -> CellsCodebook:
        """The same with another quantization step; it is stored as float32."""
        return self.with_network(replace(self.network, step=float(np.float32(step))))

    def with_network(self, network: Cells) -> CellsCodebook:
        """The same with another network in the place of its own, of the same classes and tables."""
        networks = (*self.codebook.networks[: self.number], network, *self.codebook.networks[self.number + 1 :])
        return replace(self, codebook=replace(self.codebook, networks=networks), network=network)

    @property
    def stored_bytes(self) -> int:
        """Size of the codebook in a file."""
        return len(compress(pack_map(self.codebook.to_map())))

    def check(self, image: Image) -> None:
        """Raises: UsageError: the image has another number of channels than the network."""
        if image.shape[2] != self.network.channels:
            raise UsageError(f"image of {image.shape[2]} channels, the codebook is for {self.network.channels}")

    def record_of(self, symbols: CellSymbols, *, psnr_db: float) -> EncodedRecord:
        """Symbols as a record, and what the conversion has to know of it."""
        data = write_record(self.network, symbols, self.codebook.tables)
        return EncodedRecord(data, symbols.height, symbols.width, self.number, psnr_db)


def read_codebook(path: str | os.PathLike[str] | None) -> Codebook | None:
    """The codebook of another file; None where there is none, or a built-in one is meant.

    Raises:
        UsageError: the file's records are not of this family.
    """
    if path is None or path == BUILTIN:
        return None
    with InrdReader(path) as reader:
        codebook = Codebook.from_map(reader.codebook, limits=reader.limits)
    if not codebook.networks or not isinstance(codebook.networks[0], Cells):
        raise UsageError(f"--codebook {path}: not a file of cells")
    return codebook
