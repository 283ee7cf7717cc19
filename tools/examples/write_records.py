"""Arrays of one's own to an .inrd file, piece by piece: an encoder that learned from some, and ``InrdWriter``.

    tools/examples/write_records.py out.inrd

For arrays that are at hand in a data set, ``inrformat.convert(dataset, "out.inrd")`` does all of this. Here the caller
decides what is encoded when, and which columns the file has.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from photographs import photographs_folder

from inrformat import CellsOptions, FieldType, InrdWriter, Metadata
from inrformat.conversion.reading import images_of
from inrformat.conversion.sources.folder import scan_folder
from inrformat.encoding.corpus import Corpus
from inrformat.families.registry import family_named

Images = Sequence[NDArray[np.uint8]]


def write(path: Path, pieces: Iterable[Images], *, sample: Images, temperatures: Sequence[float]) -> int:
    """Write images uint8 ``(H, W, 3)``, each with a temperature; returns how many there are.

    Args:
        sample: images like those to come, which the codebook is learned from.
    """
    family = family_named("cells")
    encoder = family.encoder().make_encoder(
        CellsOptions(quality=75), device=torch.device("cpu"), on_progress=lambda _images: None
    )
    trained = encoder.train(Corpus.of(sample, complete=False))
    with InrdWriter(path) as writer:
        for images in pieces:
            for record in trained.encode(images):
                writer.add(
                    record.data,
                    height=record.height,
                    width=record.width,
                    network=record.network,
                    psnr_db=record.psnr_db,
                )
        writer.add_field("temperature", FieldType.FLOAT64, temperatures)
        writer.finish(codebook=trained.codebook.to_map(), metadata=Metadata(generator="an example"))
        return len(writer)


def main() -> None:
    """Write tiles of photographs."""
    with tempfile.TemporaryDirectory() as folder:
        images = list(images_of(scan_folder(photographs_folder(Path(folder)))))
    count = write(Path(sys.argv[1]), [images[:6], images[6:]], sample=images[:6], temperatures=[20.5] * len(images))
    print(f"{sys.argv[1]}: {count} images")


if __name__ == "__main__":
    main()
