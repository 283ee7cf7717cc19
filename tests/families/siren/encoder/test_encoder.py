"""The encoder as the conversion uses it: records that decode to what they promise, targets, pruning, bad input."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from inrformat.coding.rans import RansDecoder
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.record import psnr_db
from inrformat.errors import UsageError
from inrformat.families.siren.encoder.encoder import SirenEncoder
from inrformat.families.siren.encoder.options import Pruning, SirenOptions
from inrformat.families.siren.record import read_records
from inrformat.families.siren.reference import dequantize, render

CPU = torch.device("cpu")
QUICK = {"hidden": (3, 15), "steps": 200, "pruning": Pruning.NONE, "shared_base": False}


def encode(images, *, sample=None, **options):
    corpus = Corpus.of(images) if sample is None else replace(Corpus.of(sample), complete=False)
    trained = SirenEncoder(SirenOptions(**{**QUICK, **options}), device=CPU).train(corpus)
    return trained.codebook, trained.encode(images)


def symbols_of(codebook, record):
    network = codebook.networks[record.network]
    lanes = network.lanes(height=record.height, width=record.width)
    return network, read_records(network, RansDecoder([record.data], codebook.tables, lanes=lanes))


@pytest.fixture(scope="module")
def images(photo_tiles):
    return [*photo_tiles["astronaut"][:3], *photo_tiles["coffee"][:2]]


def test_psnr_of_known_images():
    black = np.zeros((2, 2, 3), np.uint8)
    assert psnr_db(black, black) == 100
    assert psnr_db(black, black + np.uint8(255)) == 0
    assert psnr_db(black, black + np.uint8(1)) == pytest.approx(48.1308, abs=1e-3)


@pytest.mark.parametrize("shared_base", [False, True], ids=["no base", "shared base"])
def test_stored_quality_is_that_of_the_decoded_record(images, shared_base):
    codebook, records = encode(images, shared_base=shared_base)
    assert (codebook.networks[0].base is not None) == shared_base
    for record, image in zip(records, images, strict=True):
        network, (scales, symbols) = symbols_of(codebook, record)
        weights = dequantize(network, torch.from_numpy(scales), torch.from_numpy(symbols))
        centres = torch.arange(32) + 0.5
        pixels = render(network, weights, native=(32, 32), y=centres, x=centres)
        decoded = (pixels.clamp(0, 1) * 255 + 0.5).floor()[0].permute(1, 2, 0).numpy()
        assert psnr_db(decoded, image) == pytest.approx(record.psnr_db, abs=0.01)


@pytest.mark.slow
def test_quantization_keeps_to_its_budget(images):
    _, coarse = encode(images, max_drop_db=0.25)
    _, fine = encode(images, max_drop_db=0.001)
    drops = np.array([f.psnr_db - c.psnr_db for f, c in zip(fine, coarse, strict=True)])
    # The finely quantized networks gain from their fine-tuning, which the budget does not count: the figure against
    # the float networks is pinned in test_quantization.py.
    assert drops.mean() < 0.5 and drops.max() < 0.7
    assert sum(len(r.data) for r in coarse) < 0.8 * sum(len(r.data) for r in fine)


def test_layers_get_different_steps(images):
    steps = encode(images)[0].networks[0].steps
    assert max(steps) > 3 * min(steps)


@pytest.mark.slow
def test_a_psnr_target_is_reached_with_fewer_bytes_where_it_can_be(images):
    _, free = encode(images)
    _, aimed = encode(images, psnr_db=22.0)
    assert all(r.psnr_db >= 22.0 for r, f in zip(aimed, free, strict=True) if f.psnr_db > 23)
    assert sum(len(r.data) for r in aimed) < sum(len(r.data) for r in free)


@pytest.mark.slow
def test_no_record_exceeds_its_target_in_bytes(images):
    _, records = encode(images, bytes_per_image=330)
    sizes = [len(r.data) for r in records]
    assert max(sizes) <= 330 and min(sizes) > 280


@pytest.mark.slow
@pytest.mark.parametrize("by", ["sensitivity", "magnitude"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_iterative_pruning_reaches_its_ratio_and_saves_bytes(images, by, scope):
    dense = sum(len(r.data) for r in encode(images)[1])
    codebook, records = encode(
        images, pruning=Pruning.RATIO, prune_ratio=0.4, prune_rounds=2, prune_by=by, prune_scope=scope
    )
    for record in records:
        _, (_, symbols) = symbols_of(codebook, record)
        assert (symbols == 0).mean() >= 0.38
        assert record.sparsity == pytest.approx((symbols == 0).mean())
    assert sum(len(r.data) for r in records) < 0.9 * dense


@pytest.mark.slow
def test_dynamic_pruning_takes_more_from_easy_images(images):
    _, records = encode([*images, np.full((32, 32, 3), 90, np.uint8)], pruning=Pruning.DYNAMIC, prune_drop_db=1.0)
    assert records[-1].sparsity > min(r.sparsity for r in records[:-1])


@pytest.mark.slow
def test_pruning_on_trial_never_costs_quality_and_bytes_both(images):
    _, dense = encode(images)
    _, tried = encode(images, pruning=Pruning.AUTO)
    pairs = zip(dense, tried, strict=True)
    assert not any(t.psnr_db < d.psnr_db - 0.3 and len(t.data) > len(d.data) + 8 for d, t in pairs)


@pytest.mark.slow
def test_images_that_were_not_in_the_sample_and_of_other_sizes_are_encoded_too(images):
    mixed = [images[4], images[0], images[4][:20, :27]]
    _, records = encode(mixed, sample=images[:3])
    assert [(r.height, r.width) for r in records] == [(32, 32), (32, 32), (20, 27)]
    for record, image in zip(records, mixed, strict=True):
        flat = np.broadcast_to(image.mean((0, 1)), image.shape)
        assert record.psnr_db > psnr_db(flat, image) + 2


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 1), (20, 20)])
def test_tiny_and_constant_images_are_encoded(size):
    image = np.full((*size, 3), 77, np.uint8)
    _, records = encode([image], hidden=(2, 8), steps=100)
    assert records[0].psnr_db > 30


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(images):
    assert [r.data for r in encode(images)[1]] == [r.data for r in encode(images)[1]]


def test_progress_counts_first_fits_alone(images):
    done: list[float] = []
    asked: dict[str, Any] = {**QUICK, "shared_base": True, "pruning": Pruning.AUTO}
    options = SirenOptions(**asked)
    four = replace(Corpus.of(images[:4]), complete=False)
    trained = SirenEncoder(options, device=CPU, on_progress=done.append).train(four)
    assert sum(done) == 4
    trained.encode(images)
    assert sum(done) == 5  # the sample is not fitted again


@pytest.mark.parametrize(
    "wrong",
    [
        {"psnr_db": 30.0, "bytes_per_image": 500},
        {"steps": 0},
        {"prune_ratio": 1.5},
        {"prune_by": "luck"},
        {"hidden": (0, 4)},
    ],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(UsageError):
        SirenOptions(**wrong)
