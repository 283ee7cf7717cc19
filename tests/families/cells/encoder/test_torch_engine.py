"""The batched torch encoder against the compiled one."""

import dataclasses

import numpy as np
import pytest
import torch
from skimage import data as photographs

from inrformat.decoding.dispatch import decode_images
from inrformat.decoding.records import join_records
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.record import psnr_db
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.encoder import CellsEncoder
from inrformat.families.cells.encoder.options import CellsOptions
from inrformat.families.cells.record import read_record

ASTRONAUT, COFFEE, CAT = photographs.astronaut(), photographs.coffee(), photographs.chelsea()
IMAGES = [
    *(COFFEE[y : y + 96, x : x + 136] for y in (0, 100, 200) for x in (0, 150, 300)),
    CAT[:70, :33],
    ASTRONAUT[:256, :256],
    CAT[40:110, 60:93],
    ASTRONAUT[:1, :1],
    ASTRONAUT[:9, :200],
]


@pytest.fixture(scope="module")
def codebook():
    corpus = dataclasses.replace(Corpus.of([ASTRONAUT[::2, ::2], COFFEE[::2, ::2]]), complete=False)
    return CellsEncoder(CellsOptions(quality=68)).train(corpus).codebook


def under(codebook, *, device=None, options=None, images=IMAGES):
    """The encoder of a codebook that is given."""
    return CellsEncoder(options or CellsOptions(), codebook=codebook, device=device).train(Corpus.of(images))


def flat(network, record, tables):
    symbols = read_record(network, record.data, tables, height=record.height, width=record.width)
    parts = [*symbols.classes.values(), symbols.roots, *symbols.details.values()]
    return [p.ravel() for p in parts], symbols


def test_records_are_those_of_the_compiled_encoder_but_for_ties(codebook):
    network = codebook.networks[0]
    assert isinstance(network, Cells)
    plain = under(codebook).encode(IMAGES)
    batched = under(codebook, device=torch.device("cpu")).encode(IMAGES)
    symbols = different = 0
    for a, b, image in zip(plain, batched, IMAGES, strict=True):
        assert (a.height, a.width, a.network) == (b.height, b.width, b.network) == (*image.shape[:2], 0)
        assert b.psnr_db == pytest.approx(a.psnr_db, abs=0.01)
        assert len(b.data) == pytest.approx(len(a.data), rel=0.002, abs=4)
        (coarse_a, all_a), (coarse_b, all_b) = (flat(network, r, codebook.tables) for r in (a, b))
        for x, y in zip(coarse_a, coarse_b, strict=True):
            symbols, different = symbols + x.size, different + int((x != y).sum())
        for side, weights in all_a.weights.items():
            if weights.shape == all_b.weights[side].shape:
                symbols, different = symbols + weights.size, different + int((weights != all_b.weights[side]).sum())
    assert symbols > 100_000 and different <= 0.001 * symbols


def test_targets_are_met_in_batches_too(codebook):
    photos = IMAGES[:11]  # the PSNR of single pixels jumps about
    trained = under(codebook, device=torch.device("cpu"), options=CellsOptions(psnr_db=35), images=photos)
    assert np.mean([r.psnr_db for r in trained.encode(photos)]) == pytest.approx(35, abs=0.1)


def test_stated_psnr_is_that_of_the_decoded_image(codebook):
    (record,) = under(codebook, device=torch.device("cpu")).encode([CAT[:120, :90]])
    shapes = np.array([(0, 120, 90)])
    joined = join_records([record.data], codebook, shapes=shapes, device=torch.device("cpu"))
    decoded = decode_images(joined, [0])[0].permute(1, 2, 0).numpy()
    assert psnr_db(decoded, CAT[:120, :90]) == pytest.approx(record.psnr_db, abs=0.02)


@pytest.mark.gpu
def test_cuda_gives_what_the_cpu_gives(codebook):
    here, there = (under(codebook, device=torch.device(d)).encode(IMAGES) for d in ("cpu", "cuda"))
    for a, b in zip(here, there, strict=True):
        assert b.psnr_db == pytest.approx(a.psnr_db, abs=0.01)
        assert len(b.data) == pytest.approx(len(a.data), rel=0.002, abs=4)
