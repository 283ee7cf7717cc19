"""Compiling a family's decoder, or loading it, before it is first needed."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch

from inrformat.coding.tables import TableSet
from inrformat.decoding.canvas import Canvas
from inrformat.decoding.cpu.backend import CpuBackend
from inrformat.decoding.cpu.batch import Batch, Maps
from inrformat.decoding.cpu.epilogue import ColourTransform, Epilogue
from inrformat.decoding.cpu.first_use import load_or_compile
from inrformat.decoding.pixels import PixelFormat

__all__ = ["ready", "warm_up"]

_done: set[tuple[CpuBackend, bool]] = set()


def ready(backend: CpuBackend, network: Any, colour: ColourTransform, *, aligned: bool, silent: bool = False) -> None:
    """See to it that a kind of map can be decoded at once; costs nothing after the first time.

    Args:
        network, colour: what ``backend`` made of any network. silent: whether nothing is said of the time it takes.
    """
    if (backend, aligned) not in _done:
        load_or_compile(partial(_decode_nothing, backend, network, colour, aligned=aligned), silent=silent)
        _done.add((backend, aligned))


def warm_up(backend: CpuBackend) -> None:
    """Compile all of a family's decoder that is not compiled yet."""
    codebook = backend.example()
    network, *_ = codebook.networks
    for aligned in (True, False):
        flat = backend.flatten(network, codebook.tables)
        ready(backend, flat, backend.colour_transform(network), aligned=aligned, silent=True)


def _decode_nothing(backend: CpuBackend, network: Any, colour: ColourTransform, *, aligned: bool) -> None:
    """Decode a batch of no samples, whose types are those of every batch."""
    canvas = Canvas.of(torch.zeros(0), torch.zeros(0)).resize(8, 8)
    geometry = (canvas if aligned else canvas.rotate(0.0)).geometry()
    none = np.zeros(0, np.int64)
    tables = TableSet.of([])
    batch = Batch(tables.slots.reshape(-1), tables.low_bits, np.zeros(0, np.uint16), none, none, none, none, none)
    weights = backend.read(network, batch, none, np.zeros((0, 4)), none)
    epilogue = Epilogue.of(colour, geometry, PixelFormat())
    backend.render(network, weights, batch, none, Maps.of(geometry), epilogue, np.zeros(0, np.float32))
