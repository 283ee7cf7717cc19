"""What pruning buys: automatic pruning only shrinks records at no loss, any pruning says what it saved and lost."""

from typing import Any

import numpy as np
import pytest
import torch
from skimage import data as photographs

from inrformat.families.siren.encoder.encoder import SirenEncoder
from inrformat.families.siren.encoder.options import Pruning, SirenOptions

pytestmark = pytest.mark.slow

TARGETS = {"drop": {"max_drop_db": 1.0}, "psnr": {"psnr_db": 20.0}, "bytes": {"bytes_per_image": 170}}


def encode(images, **options):
    quick: dict[str, Any] = {"hidden": (3, 15), "steps": 300, "shared_base": False, "prune_rounds": 2}
    encoder = SirenEncoder(SirenOptions(**quick, **options), device=torch.device("cpu"))
    encoder.train(images, complete=True)
    return encoder, encoder.encode(images)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_no_image_loses_by_it(photo_tiles, target):
    images = [*photo_tiles["astronaut"][:3], *photo_tiles["coffee"][:3], np.full((32, 32, 3), 90, np.uint8)]
    _, dense = encode(images, pruning=Pruning.NONE, **target)
    _, tried = encode(images, pruning=Pruning.AUTO, prune_trial=False, **target)
    for before, after in zip(dense, tried, strict=True):
        assert after.psnr_db >= before.psnr_db - 0.03  # errors are compared before clamping and rounding to 8 bits
        # Costs are expectations: a record's last words differ by a few bytes.
        assert len(after.data) <= target.get("bytes_per_image", len(before.data) + 4)
    assert sum(len(r.data) for r in tried) <= sum(len(r.data) for r in dense) or "bytes_per_image" in target


def test_it_happens_where_networks_have_weights_to_spare(photo_tiles):
    encoder, records = encode(photo_tiles["coffee"], pruning=Pruning.AUTO, prune_trial=False, psnr_db=16.0)
    assert encoder.pruning_pays and any(r.network == 1 for r in records)
    # What it saved is reported of the images that it was done to.
    assert all((r.pruning_saved_bytes > 0) == (r.network == 1) for r in records)


def test_what_fine_tuning_alone_would_gain_is_no_gain_of_pruning(photo_tiles):
    encoder, records = encode(photo_tiles["astronaut"], pruning=Pruning.AUTO, max_drop_db=0.25)
    assert not encoder.pruning_pays and all(r.network == 0 for r in records)


@pytest.mark.parametrize(
    "how", [{"pruning": Pruning.RATIO, "prune_ratio": 0.4}, {"pruning": Pruning.DYNAMIC, "prune_drop_db": 1.0}]
)
def test_pruning_as_asked_reports_bytes_and_quality_against_the_unpruned_record(how):
    cats = [photographs.chelsea()[100:140, x : x + 48] for x in (100, 148, 196)]
    records = {}
    for name, options in (("dense", {"pruning": Pruning.NONE}), ("pruned", how)):
        quick: dict[str, Any] = {"hidden": (3, 15), "steps": 200, "shared_base": False, "prune_rounds": 2}
        encoder = SirenEncoder(SirenOptions(**quick, **options), device=torch.device("cpu"))
        encoder.train(cats[:2], complete=False)  # the third is encoded later
        records[name] = encoder.encode(cats)
    for before, after in zip(records["dense"], records["pruned"], strict=True):
        assert after.pruning_saved_bytes == len(before.data) - len(after.data)
        # Errors are compared before clamping and rounding to 8 bits.
        assert after.pruning_gain_db == pytest.approx(after.psnr_db - before.psnr_db, abs=0.03)
        assert (before.pruning_saved_bytes, before.pruning_gain_db) == (0, 0)
    assert sum(r.pruning_saved_bytes for r in records["pruned"]) > 0
