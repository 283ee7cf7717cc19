"""How many rANS lanes the records of a set should have: more decode faster, and each costs a byte or more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from inrformat.coding.rans import STREAM_LANES
from inrformat.families.cells.encoder.codebook import CellsCodebook
from inrformat.families.cells.encoder.engine import on_threads
from inrformat.families.cells.encoder.fit import Fit
from inrformat.families.cells.encoder.quantize import quantize_image
from inrformat.families.cells.record import CellSymbols, write_record

__all__ = ["with_suited_lanes"]

_CHOICES = (1024, 1536, 2048, 4096)
"""Native pixels for each lane, from the most lanes to the fewest."""
_PIXELS, _BYTES, _SHARE = 2048, 3, 0.003
"""Lanes may cost three bytes for each 2048 pixels of an image, up to what 32 would, and 0.3 % of its record."""


def with_suited_lanes(codebook: CellsCodebook, fits: Sequence[Fit], *, threads: int) -> CellsCodebook:
    """The codebook with as many lanes as images like those of ``fits`` can afford, measured on their records."""

    def symbols_of(fitted: Fit) -> CellSymbols:
        return quantize_image(fitted, codebook.network, codebook.model, scale=0).symbols

    symbols = list(on_threads(symbols_of, fits, threads=threads))
    fewest = _written_bytes(codebook, symbols, lane_pixels=max(fitted.pixels for fitted in fits))
    affordable = _SHARE * fewest + sum(_BYTES * min(fitted.pixels / _PIXELS, STREAM_LANES) for fitted in fits)
    for lane_pixels in _CHOICES[:-1]:
        if _written_bytes(codebook, symbols, lane_pixels=lane_pixels) - fewest <= affordable:
            return codebook.with_network(replace(codebook.network, lane_pixels=lane_pixels))
    return codebook.with_network(replace(codebook.network, lane_pixels=_CHOICES[-1]))


def _written_bytes(codebook: CellsCodebook, symbols: Sequence[CellSymbols], *, lane_pixels: int) -> int:
    network = replace(codebook.network, lane_pixels=lane_pixels)
    return sum(len(write_record(network, one, codebook.codebook.tables)) for one in symbols)
