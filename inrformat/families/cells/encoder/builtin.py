"""Built-in codebooks for small sets: which ones to try, and what a file costs (spec section 6.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inrformat.container.layout import HEAD_BLOCK_BYTES, PAGE_ALIGNMENT
from inrformat.container.packing import compress, pack_map
from inrformat.encode.record import EncodedRecord
from inrformat.families.builtin import builtin_codebook_map, builtin_names
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.rate_distortion import LAMBDA
from inrformat.families.codebook import Codebook

__all__ = ["builtin_codebooks", "file_cost_bytes"]

_HEAD_ROOM_BYTES = HEAD_BLOCK_BYTES - 519
"""Of the header block, for a codebook: header, section table and metadata take the rest."""


def builtin_codebooks(step: float, *, channels: int) -> list[Codebook]:
    """Of each kind of images the built-in codebook learned at the nearest step, with ``step`` instead."""
    nearest: dict[str, tuple[float, str]] = {}
    for name in builtin_names(Cells.family):
        (network,) = builtin_codebook_map(name)["networks"]
        octaves = abs(math.log2(network["step"] / step))
        kind = name.rpartition("-")[0]
        nearest[kind] = min(nearest.get(kind, (math.inf, "")), (octaves, name))
    found = [Codebook.from_map({"builtin": name, "step": step}) for _, name in nearest.values()]
    return [codebook for codebook in found if codebook.networks[0].channels == channels]


def file_cost_bytes(records: Sequence[EncodedRecord], codebook: Codebook, *, channels: int, step: float) -> float:
    """Bytes of a file of these records that depend on its codebook, and its distortion at the encoder's price.

    Both the payload and, where the header block cannot hold it, the codebook count as the writer places them.
    """
    payload = sum(-(-len(r.data) // 4) * 4 for r in records)
    gap = -payload % PAGE_ALIGNMENT
    stored = len(compress(pack_map(codebook.to_map())))
    behind = 0 if stored <= max(_HEAD_ROOM_BYTES, gap) else stored
    samples = (r.height * r.width * channels * 255**2 * 10 ** (-r.psnr_db / 10) for r in records)
    return payload + gap + behind + sum(samples) / (8 * LAMBDA * step**2)
