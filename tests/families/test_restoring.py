"""An encoder goes on from what it wrote down as if nothing had happened."""

import numpy as np
import pytest
import torch

from inrformat.container.packing import pack_map, unpack_map
from inrformat.encoding.corpus import Corpus
from inrformat.families.cells.encoder.options import CellsOptions
from inrformat.families.registry import family_named
from inrformat.families.siren.encoder.options import SirenOptions

ROOM_BYTES = 9_000


def encoder_for(options):
    made = family_named(options.family).encoder()
    return made.make_encoder(options, device=torch.device("cpu"), on_progress=lambda _images: None)


def through_bytes(values):
    return unpack_map(pack_map(values), rule="JOURNAL", what="test")


@pytest.fixture
def tiles(photo_tiles):
    return [tile for tiles in photo_tiles.values() for tile in tiles]


@pytest.mark.parametrize(
    "options",
    [
        CellsOptions(quality=60),
        CellsOptions(psnr_db=33),
        CellsOptions(psnr_floor_db=33),
        CellsOptions(rate_bpp=2),
        CellsOptions(target_bytes=20_000),
        CellsOptions(codebook="builtin"),
        SirenOptions(hidden=(2, 8), steps=30),
        SirenOptions(hidden=(2, 8), steps=30, psnr_db=25),
        SirenOptions(hidden=(2, 8), steps=60, bytes_per_image=150),
    ],
    ids=str,
)
def test_a_restored_encoder_gives_the_same_records(options, tiles):
    pieces = [tiles[first : first + 4] for first in range(0, len(tiles), 4)]
    corpus = Corpus(
        sample=tiles[:5],
        complete=False,
        length=len(tiles),
        batches=lambda: [tiles],
        size_budget=lambda _file_bytes: lambda _codebook_bytes: ROOM_BYTES,
    )
    trained = encoder_for(options).train(corpus)
    learned = through_bytes(trained.learned())
    for number, piece in enumerate(pieces):
        following = sum(len(p) for p in pieces[number + 1 :])
        restored = encoder_for(options).restore(learned, through_bytes(trained.progress()))
        expected = trained.encode(piece, following=following)
        assert restored.encode(piece, following=following) == expected
        assert through_bytes(restored.progress()) == through_bytes(trained.progress())
    assert restored.codebook.to_map() == trained.codebook.to_map()
    assert np.all([record.data for record in expected])
