"""Built-in codebooks for small sets: which ones to try, and which codebook makes the cheapest file (section 6.3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from inrformat.container.sizes import payload_and_codebook_bytes
from inrformat.encoding.record import EncodedRecord, Image
from inrformat.errors import UsageError
from inrformat.families.builtin import builtin_codebook_map, builtin_names
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.codebook import CellsCodebook
from inrformat.families.cells.encoder.engine import Engine
from inrformat.families.cells.encoder.rate_control import (
    CLOSE_OCTAVES,
    MeasuredRate,
    RateTarget,
    moved_step,
    payload_bytes,
)
from inrformat.families.cells.encoder.rate_distortion import LAMBDA
from inrformat.families.cells.encoder.train import RETARGETS
from inrformat.families.codebook import Codebook

__all__ = ["Candidate", "builtin_codebooks", "cheapest", "choose_builtin"]


class Candidate(NamedTuple):
    """A codebook, what a set becomes under it, and the Lagrangian cost of that file in bytes."""

    codebook: CellsCodebook
    records: list[EncodedRecord]
    cost_bytes: float


def choose_builtin(images: Sequence[Image], step: float, target: RateTarget | None, *, engine: Engine) -> CellsCodebook:
    """The built-in codebook that serves some images best, with the step they need for a target.

    Raises:
        UsageError: there is none for images of so many channels.
    """
    channels = images[0].shape[2]
    for _ in range(RETARGETS):
        candidates = builtin_codebooks(step, channels=channels)
        if not candidates:
            raise UsageError(f"no built-in codebook is for images of {channels} channels: learn one")
        best = cheapest([CellsCodebook.of(codebook) for codebook in candidates], images, engine=engine)
        if target is None:
            break
        measured = MeasuredRate()
        measured.add(best.records, coarser={})
        octaves = target.octaves_off(measured, best.codebook)
        if abs(octaves) < CLOSE_OCTAVES:
            break
        step = moved_step(step, octaves)
    return best.codebook


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


def cheapest(codebooks: Sequence[CellsCodebook], images: Sequence[Image], *, engine: Engine) -> Candidate:
    """The codebook under which a file of these images costs least, its distortion counted in bytes."""
    candidates = []
    for codebook in codebooks:
        records = list(engine.encode(codebook, images, [0] * len(images)))
        candidates.append(Candidate(codebook, records, _cost_bytes(records, codebook)))
    return min(candidates, key=lambda candidate: candidate.cost_bytes)


def _cost_bytes(records: Sequence[EncodedRecord], codebook: CellsCodebook) -> float:
    """Bytes of a file of these records that depend on its codebook, and its distortion at the encoder's lambda."""
    size = payload_and_codebook_bytes(payload_bytes(records), codebook.stored_bytes)
    network = codebook.network
    squares = (r.height * r.width * network.channels * 255**2 * 10 ** (-r.psnr_db / 10) for r in records)
    return size + sum(squares) / (8 * LAMBDA * network.step**2)
