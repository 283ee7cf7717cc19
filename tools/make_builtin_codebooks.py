"""Learns the built-in codebooks from photographs and prints the table of specification section 6.3.

    python tools/make_builtin_codebooks.py                 all of them
    python tools/make_builtin_codebooks.py --only photo-70 one of them

They are statistics of training photographs of ../shared/data (clothing, imagenette224), scaled to several sizes, and
hold no image. A published codebook never changes: other bytes take another name.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inrformat.container.checksum import crc32c
from inrformat.container.packing import compress, pack_map
from inrformat.conversion.reading import images_of
from inrformat.conversion.sources.folder import scan_folder
from inrformat.conversion.sources.source import Subset
from inrformat.families.cells.encoder.codebook import CellsCodebook
from inrformat.families.cells.encoder.colours import colour_basis
from inrformat.families.cells.encoder.fit import fit
from inrformat.families.cells.encoder.initialization import ClassCounts
from inrformat.families.cells.encoder.lanes import with_suited_lanes
from inrformat.families.cells.encoder.learn import learn_model
from inrformat.families.cells.encoder.model import to_codebook
from inrformat.families.cells.encoder.options import step_of_quality
from inrformat.families.registry import family_named

DATA = Path(__file__).resolve().parents[1] / "../shared/data"
QUALITIES = (40, 50, 60, 70, 80, 90)
COUNTS = ClassCounts(64, 128, 128, 8)
ROUNDS = 8
SCALE_SPREAD = 2.0
CLOTHING, IMAGENETTE = "clothing/train", "imagenette224/train"
SAMPLES: dict[str, tuple[tuple[str, int, int | None], ...]] = {
    "photo": ((CLOTHING, 40, 256), (CLOTHING, 8, 512), (IMAGENETTE, 90, None), (IMAGENETTE, 60, 128)),
    "thumbnail": ((CLOTHING, 300, 32), (IMAGENETTE, 1200, 32), (CLOTHING, 50, 64), (IMAGENETTE, 150, 64)),
}
"""Kind of image: folder, number of images, short side in px (None: as they are)."""


def training_images(kind: str) -> list[NDArray[np.uint8]]:
    """The training images of a kind."""
    images: list[NDArray[np.uint8]] = []
    for number, (folder, count, size) in enumerate(SAMPLES[kind]):
        source = scan_folder(DATA / folder)
        chosen = np.random.default_rng(number).permutation(len(source.names))[:count].tolist()
        images += images_of(Subset(source, chosen), size=size)
    return images


def main() -> None:
    """Learn, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", metavar="KIND-QUALITY", help="those alone")
    arguments = parser.parse_args()
    folder = family_named("cells").codebooks
    if folder is None:
        raise SystemExit("the cells family names no folder of built-in codebooks")
    for kind in SAMPLES:
        wanted = [q for q in QUALITIES if not arguments.only or f"{kind}-{q}" in arguments.only]
        if not wanted:
            continue
        images = training_images(kind)
        colour = colour_basis(images)
        fits = [fit(image, colour) for image in images]
        for quality in wanted:
            step = step_of_quality(quality)
            model = learn_model(fits, step, COUNTS, rounds=ROUNDS, threads=os.cpu_count() or 1)
            pyramids = [fitted.pyramid for fitted in fits]
            codebook = to_codebook(model, pyramids, step, colour, scale_spread=SCALE_SPREAD)
            suited = with_suited_lanes(CellsCodebook.of(codebook), fits, threads=os.cpu_count() or 1)
            data = compress(pack_map(suited.codebook.to_map()))
            name = f"cells-1-{kind}-{quality}"
            (folder / f"{name}.bin").write_bytes(data)
            print(f"| `{name}` | {len(data)} | `{crc32c(data):08x}` |", flush=True)


if __name__ == "__main__":
    main()
