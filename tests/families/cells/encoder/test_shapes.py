"""Images of unusual shape: long sides, single rows, one channel or many."""

import dataclasses

import numpy as np
import pytest
import torch
from skimage import data as photographs

from inrformat.decoding.dispatch import decode_images
from inrformat.decoding.records import join_records
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.record import Outcome, psnr_db
from inrformat.errors import UsageError
from inrformat.families.cells.encoder.encoder import CellsEncoder
from inrformat.families.cells.encoder.options import CellsOptions

ASTRONAUT, COFFEE = photographs.astronaut(), photographs.coffee()


def decoded(codebook, record):
    shapes = np.array([(record.network, record.height, record.width)])
    joined = join_records([record.data], codebook, shapes=shapes, device=torch.device("cpu"))
    return decode_images(joined, [0])[0].permute(1, 2, 0).numpy()


@pytest.fixture(scope="module")
def trained():
    corpus = dataclasses.replace(Corpus.of([ASTRONAUT[::2, ::2], COFFEE[::2, ::2]]), complete=False)
    return CellsEncoder(CellsOptions(quality=66)).train(corpus)


@pytest.mark.parametrize("shape", [(16384, 16), (16, 16384), (1, 16384), (16384, 1), (1, 1), (2, 1)])
def test_long_and_tiny_images_decode_to_the_stated_psnr(trained, shape):
    repeats = (-(-shape[0] // COFFEE.shape[0]), -(-shape[1] // COFFEE.shape[1]), 1)
    image = np.tile(COFFEE, repeats)[: shape[0], : shape[1]]
    (record,) = trained.encode([image])
    out = decoded(trained.codebook, record)
    assert out.shape == image.shape
    assert psnr_db(out, image) == pytest.approx(record.psnr_db, abs=0.02)
    assert record.psnr_db > 30


@pytest.mark.parametrize("channels", [1, 2, 4, 5, 16])
@pytest.mark.parametrize("device", [None, torch.device("cpu")])
def test_images_of_any_number_of_channels_round_trip(channels, device):
    planes = photographs.astronaut()
    stack = np.concatenate([np.roll(planes, 40 * k, axis=1) for k in range(6)], axis=2)[100:228, 100:260, :channels]
    trained = CellsEncoder(CellsOptions(quality=70), device=device).train(Corpus.of([stack]))
    for image in (stack, stack[:13, :50], stack[:1, :1]):
        (record,) = trained.encode([image])
        out = decoded(trained.codebook, record)
        assert out.shape == image.shape
        assert psnr_db(out, image) == pytest.approx(record.psnr_db, abs=0.02)
        assert record.psnr_db > 30


def test_a_wrong_number_of_channels_is_named(trained):
    with pytest.raises(UsageError, match="4 channels"):
        trained.encode([np.zeros((8, 8, 4), np.uint8)])


def test_images_that_cannot_reach_their_psnr_are_marked_and_the_others_are_not():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    easy = CellsEncoder(CellsOptions(psnr_floor_db=45)).train(Corpus.of([ASTRONAUT[:64, :64], noise]))
    reached = easy.encode([ASTRONAUT[:64, :64], noise])
    assert [r.outcome for r in reached] == [Outcome.OK] * 2
    assert min(r.psnr_db for r in reached) >= 45
    beyond = CellsEncoder(CellsOptions(psnr_floor_db=100.5)).train(Corpus.of([ASTRONAUT[:64, :64]]))
    assert [r.outcome for r in beyond.encode([ASTRONAUT[:64, :64]])] == [Outcome.TARGET_MISSED]
