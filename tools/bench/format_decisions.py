"""What choices of the format's symbol coding cost in bytes, on photographs: the table of specification section 7.5.

    python tools/bench/format_decisions.py PHOTOGRAPHS [--side 256] [--qualities 50 70 90 97]

Photographs are scaled to a short side and coded with a codebook learned from them. Records are those of this version,
with a lane for every 2048 pixels where nothing else is said. What precision and plain bits are worth is counted from
their symbols: those of each table get the best table there is, by the ideal length of their codes.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inrformat.coding.plain_bits import split
from inrformat.coding.rans import WORD_BYTES
from inrformat.families.cells.encoder.options import CellsOptions, initial_step
from inrformat.families.cells.encoder.quantize import quantize_image
from inrformat.families.cells.encoder.train import Sample, learn_codebook
from inrformat.families.cells.record import coded_symbols, write_record

RESULTS = Path(__file__).parent / "results"
PATCH_BITS = 32
TAILS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16384)
"""Values at either end that are patched, tried for each table."""
LANE_PIXELS = (1024, 1536, 4096)


@dataclass(frozen=True, slots=True)
class Quality:
    """Measured at one quality; bytes are of all records.

    Attributes:
        record_bytes: with a lane for every 2048 pixels. codebook_bytes: stored.
        in_states_bytes: plain bits that lie in the lanes' last states, which would otherwise hold nothing.
        by_lane_pixels: bytes of all records with other numbers of pixels for each lane.
        ideal_bytes: of the bodies' symbols, by the bits of a probability and whether symbols have plain bits.
    """

    quality: int
    step: float
    record_bytes: int
    codebook_bytes: int
    in_states_bytes: int
    by_lane_pixels: dict[int, int]
    ideal_bytes: dict[str, float]


def photographs(folder: Path, *, side: int) -> list[NDArray[np.uint8]]:
    """All of a folder, scaled to a short side, sizes multiples of 16."""
    images = []
    for path in sorted(folder.glob("*.png")):
        image = Image.open(path).convert("RGB")
        scale = side / min(image.size)
        width, height = (round(length * scale / 16) * 16 for length in image.size)
        images.append(np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)))
    return images


def shares(counts: NDArray[Any], *, precision: int) -> NDArray[np.float64]:
    """Probabilities as integers that sum to ``2**precision``, at least 1 where anything was counted."""
    total = 1 << precision
    ideal = counts / counts.sum() * total
    rounded = np.where(counts > 0, np.maximum(np.floor(ideal), 1), 0)
    while missing := int(total - rounded.sum()):
        step = 1 if missing > 0 else -1
        movable = (counts > 0) & (rounded + step >= 1)
        gain = counts * np.log2(np.maximum(rounded + step, 1) / np.maximum(rounded, 1))
        chosen = np.argsort(-np.where(movable, gain, -np.inf), kind="stable")[: min(abs(missing), movable.sum())]
        rounded[chosen] += step
    return rounded


def best_bits(values: NDArray[np.int32], *, precision: int, plain: bool) -> float:
    """Length of the codes of ``values`` under the table that gives the shortest; without plain bits where one can."""
    ordered, best = np.sort(values), np.inf
    for low_bits in range(10 if plain else 1):
        tokens = values >> low_bits
        for tail in TAILS:
            if 2 * tail >= len(values):
                break
            low, high = ordered[tail] >> low_bits, ordered[-1 - tail] >> low_bits
            if high - low >= 1000:
                continue
            inside = (tokens >= low) & (tokens <= high)
            counts = np.bincount(tokens[inside] - low, minlength=high - low + 1) + 0.1
            bits = precision - np.log2(np.maximum(shares(counts, precision=precision), 1e-9))
            patched = (len(values) - inside.sum()) * (bits.min() + PATCH_BITS)
            best = min(best, float((counts - 0.1) @ bits + patched + low_bits * inside.sum()))
    return best if np.isfinite(best) else best_bits(values, precision=precision, plain=True)


def measured(images: Sequence[NDArray[np.uint8]], quality: int) -> Quality:
    """All choices at one quality."""
    options = CellsOptions(quality=quality)
    sample = Sample.of(images, threads=2)
    learned = learn_codebook(sample, initial_step(options), scale_spread=options.scale_spread, threads=2)
    codebook, tables = learned.codebook, learned.codebook.codebook.tables
    network = replace(codebook.network, lane_pixels=2048)
    symbols = [quantize_image(fitted, network, codebook.model, scale=0).symbols for fitted in sample.fits]
    coded = [coded_symbols(network, one) for one in symbols]
    bodies = [(one.values[one.ends[-2] :], one.tables[one.ends[-2] :]) for one in coded]
    by_table = defaultdict(list)
    for values, ids in bodies:
        for table in np.unique(ids).tolist():
            by_table[table].append(values[ids == table])
    known = [np.concatenate(values) for values in by_table.values()]
    in_states = [
        min(len(split(values, ids, tables).words), network.lanes(height=one.height, width=one.width)) * WORD_BYTES
        for (values, ids), one in zip(bodies, symbols, strict=True)
    ]

    def record_bytes(lane_pixels: int) -> int:
        other = replace(network, lane_pixels=lane_pixels)
        return sum(len(write_record(other, one, tables)) for one in symbols)

    return Quality(
        quality=quality,
        step=learned.step,
        record_bytes=record_bytes(2048),
        codebook_bytes=codebook.stored_bytes,
        in_states_bytes=sum(in_states),
        by_lane_pixels={pixels: record_bytes(pixels) for pixels in LANE_PIXELS},
        ideal_bytes={
            f"{precision} bits, {'with' if plain else 'no'} plain bits": round(
                sum(best_bits(values, precision=precision, plain=plain) for values in known) / 8, 1
            )
            for precision in (12, 10)
            for plain in (True, False)
        },
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--qualities", type=int, nargs="*", default=[50, 70, 90, 97])
    arguments = parser.parse_args()
    images = photographs(arguments.photographs, side=arguments.side)
    results: dict[str, Any] = {
        "command": f"python tools/bench/format_decisions.py PHOTOGRAPHS --side {arguments.side}",
        "photographs": len(images),
        "qualities": [],
    }
    for quality in arguments.qualities:
        results["qualities"].append(asdict(measured(images, quality)))
        print(json.dumps(results["qualities"][-1]), flush=True)
    (RESULTS / f"format_decisions_{arguments.side}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
