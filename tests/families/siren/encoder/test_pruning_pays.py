"""What pruning buys: automatic pruning only shrinks records at no loss, any pruning says what it saved and lost."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data as photographs

from inrformat.encoding.corpus import Corpus
from inrformat.families.siren.encoder.batches import QuantizedBatch
from inrformat.families.siren.encoder.codebook import NetworkKind
from inrformat.families.siren.encoder.encoder import SirenEncoder
from inrformat.families.siren.encoder.options import Pruning, SirenOptions
from inrformat.families.siren.encoder.pruning_criteria import PruningCriteria

pytestmark = pytest.mark.slow

TARGETS = {"drop": {"max_drop_db": 1.0}, "psnr": {"psnr_db": 20.0}}
BUDGET_BYTES = 170


def encode(images, **options):
    """The codebook and the records; the sample is all there is."""
    quick: dict[str, Any] = {"hidden": (3, 15), "steps": 300, "shared_base": False, "prune_rounds": 2}
    trained = SirenEncoder(SirenOptions(**quick, **options), device=torch.device("cpu")).train(Corpus.of(images))
    return trained.codebook, trained.encode(images)


@pytest.fixture(scope="module")
def images(photo_tiles):
    return [*photo_tiles["astronaut"][:3], *photo_tiles["coffee"][:3], np.full((32, 32, 3), 90, np.uint8)]


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_records_shrink_by_it_at_no_loss_of_quality(images, target):
    _, dense = encode(images, pruning=Pruning.NONE, **target)
    _, tried = encode(images, pruning=Pruning.AUTO, prune_trial=False, **target)
    for before, after in zip(dense, tried, strict=True):
        assert after.psnr_db >= before.psnr_db - 0.03  # errors are compared before clamping and rounding to 8 bits
        assert len(after.data) <= len(before.data) + 4  # costs are expectations: a record's last words differ
    assert any(r.network == NetworkKind.PRUNED for r in tried)
    assert sum(len(r.data) for r in tried) < sum(len(r.data) for r in dense)


def test_quality_rises_by_it_within_the_same_bytes(images):
    _, dense = encode(images, pruning=Pruning.NONE, bytes_per_image=BUDGET_BYTES)
    _, tried = encode(images, pruning=Pruning.AUTO, prune_trial=False, bytes_per_image=BUDGET_BYTES)
    assert max(len(r.data) for r in tried) <= BUDGET_BYTES
    gains_db = np.array([after.psnr_db - before.psnr_db for before, after in zip(dense, tried, strict=True)])
    pruned = np.array([r.network == NetworkKind.PRUNED for r in tried])
    assert pruned.any() and gains_db[pruned].min() > -0.03 and gains_db.mean() > 0.1


def quantized(*, mse, sizes):
    """Batches whose records have those sizes, for ``sized``."""
    count = len(mse)
    return QuantizedBatch(
        symbols=np.array(sizes, np.int32)[:, None],
        scales=np.zeros(count, np.int32),
        mse=np.array(mse),
        fine_tuning_steps=np.zeros(count, np.int64),
    )


@pytest.mark.parametrize(("budget_bytes", "better"), [(None, [True, False, False]), (100, [False, True, False])])
def test_a_pruned_network_is_better_only_at_equal_error_or_within_the_budget(budget_bytes, better):
    dense = quantized(mse=[0.2, 0.2, 0.2], sizes=[100, 100, 100])
    # Smaller at equal error; as large and more exact; smaller but less exact.
    pruned = quantized(mse=[0.2, 0.1, 0.3], sizes=[90, 100, 90])
    criteria = PruningCriteria(
        lambda fitted, mse: pytest.fail("nothing is quantized here"),
        lambda q, kind: q.symbols[:, 0].astype(np.float64),
        budget_bytes,
    )
    assert criteria.better(pruned, dense).tolist() == better
    too_long = quantized(mse=[0.1, 0.1, 0.1], sizes=[101, 101, 101])
    assert not criteria.better(too_long, dense).any()


def test_it_happens_where_networks_have_weights_to_spare(photo_tiles):
    codebook, records = encode(photo_tiles["coffee"], pruning=Pruning.AUTO, prune_trial=False, psnr_db=16.0)
    assert len(codebook.networks) == 2 and any(r.network == NetworkKind.PRUNED for r in records)
    # What it saved is reported of the images that it was done to.
    assert all((r.pruning_saved_bytes > 0) == (r.network == NetworkKind.PRUNED) for r in records)


def test_what_fine_tuning_alone_would_gain_is_no_gain_of_pruning(photo_tiles):
    codebook, records = encode(photo_tiles["astronaut"], pruning=Pruning.AUTO, max_drop_db=0.25)
    assert len(codebook.networks) == 1 and all(r.network == NetworkKind.DENSE for r in records)


@pytest.mark.parametrize(
    "how", [{"pruning": Pruning.RATIO, "prune_ratio": 0.4}, {"pruning": Pruning.DYNAMIC, "prune_drop_db": 1.0}]
)
def test_pruning_as_asked_reports_bytes_and_quality_against_the_unpruned_record(how):
    cats = [photographs.chelsea()[100:140, x : x + 48] for x in (100, 148, 196)]
    two = replace(Corpus.of(cats[:2]), complete=False)  # the third is encoded later
    records = {}
    for name, options in (("dense", {"pruning": Pruning.NONE}), ("pruned", how)):
        quick: dict[str, Any] = {"hidden": (3, 15), "steps": 200, "shared_base": False, "prune_rounds": 2}
        trained = SirenEncoder(SirenOptions(**quick, **options), device=torch.device("cpu")).train(two)
        records[name] = trained.encode(cats)
    for before, after in zip(records["dense"], records["pruned"], strict=True):
        assert after.pruning_saved_bytes == len(before.data) - len(after.data)
        # Errors are compared before clamping and rounding to 8 bits.
        assert after.pruning_gain_db == pytest.approx(after.psnr_db - before.psnr_db, abs=0.03)
        assert (before.pruning_saved_bytes, before.pruning_gain_db) == (0, 0)
    assert sum(r.pruning_saved_bytes for r in records["pruned"]) > 0
