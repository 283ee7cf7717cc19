"""timm's own transforms, loader and mixing with .inrd files."""

import math

import numpy as np
import pytest
import torch

from inrformat import InrdDataset, InrdLoader, UsageError

pytest.importorskip("timm", reason='timm is not installed: pip install "inrformat[timm]"')

import timm
import timm.data
from timm.data.mixup import FastCollateMixup, Mixup

from inrformat.integrations.timm import TimmLoader

MIXING = {"mixup_alpha": 1.0, "cutmix_alpha": 1.0, "num_classes": 2}


@pytest.mark.parametrize("is_training", [False, True])
def test_transforms_of_timm_are_those_of_a_data_set(tile_file, is_training):
    transform = timm.data.create_transform((3, 24, 24), is_training=is_training, auto_augment="rand-m9-mstd0.5")
    image, label = InrdDataset(tile_file, transform=transform)[0]
    assert (image.shape, image.dtype, label) == ((3, 24, 24), torch.float32, 0)
    batch, _ = next(iter(InrdLoader(tile_file, 12, transform=transform, device="cpu")))
    assert (batch.shape, batch.dtype) == ((12, 3, 24, 24), torch.float32)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("use_prefetcher", [False, True])
def test_the_loader_of_timm_takes_a_data_set(tile_file, use_prefetcher, workers):
    loader = timm.data.create_loader(
        InrdDataset(tile_file),
        input_size=(3, 24, 24),
        batch_size=4,
        num_workers=workers,
        use_prefetcher=use_prefetcher,
        device=torch.device("cpu"),
    )
    batches = list(loader)
    assert [images.shape for images, _ in batches] == [(4, 3, 24, 24)] * 3
    assert torch.cat([labels for _, labels in batches]).tolist() == [0] * 6 + [1] * 6


def test_the_adapter_gives_the_batches_of_timms_own_loader(tile_file):
    loader = TimmLoader(InrdLoader(tile_file, 5, device="cpu"))
    expected = timm.data.loader.PrefetchLoader(InrdLoader(tile_file, 5, device="cpu"), device=torch.device("cpu"))
    assert len(loader) == len(expected) == 3
    for (images, labels), (theirs, their_labels) in zip(loader, expected, strict=True):
        torch.testing.assert_close(images, theirs)
        assert torch.equal(labels, their_labels)


@pytest.mark.parametrize("kind", [Mixup, FastCollateMixup])
@pytest.mark.parametrize("mode", ["batch", "pair", "elem"])
def test_batches_are_mixed_until_that_is_switched_off(tile_file, kind, mode):
    loader = TimmLoader(InrdLoader(tile_file, 12, device="cpu"), mixup=kind(mode=mode, label_smoothing=0, **MIXING))
    (plain, labels), *_ = TimmLoader(InrdLoader(tile_file, 12, device="cpu"))
    assert loader.mixup_enabled
    ((mixed, shares),) = loader
    assert shares.shape == (12, 2)
    torch.testing.assert_close(shares.sum(1), torch.ones(12))
    assert ((shares > 0) & (shares < 1)).any()
    assert not torch.equal(mixed, plain)
    loader.mixup_enabled = False
    ((images, sure),) = loader
    torch.testing.assert_close(images, plain)
    assert torch.equal(sure.argmax(1), labels) and torch.equal(sure.max(1).values, torch.ones(12))


def test_mixing_before_normalization_is_what_fast_collate_does(tile_file):
    mixup = FastCollateMixup(mixup_alpha=1.0, num_classes=2)
    collated = InrdLoader(tile_file, 12, collate_fn=mixup, device="cpu")
    np.random.seed(3)
    ((theirs, their_shares),) = timm.data.loader.PrefetchLoader(collated, device=torch.device("cpu"))
    np.random.seed(3)
    ((images, shares),) = TimmLoader(InrdLoader(tile_file, 12, device="cpu"), mixup=mixup)
    torch.testing.assert_close(shares, their_shares)
    # They round mixed pixels to whole numbers.
    torch.testing.assert_close(images, theirs, rtol=0, atol=0.51 / 255 / 0.224)


def test_a_mode_that_halves_batches_is_refused(tile_file):
    with pytest.raises(UsageError, match='use "elem", "pair" or "batch"'):
        TimmLoader(InrdLoader(tile_file, 4, device="cpu"), mixup=FastCollateMixup(mode="half"))


def test_images_that_are_floats_already_are_refused(tile_file):
    with pytest.raises(UsageError, match="leave ToDtype, Normalize and dtype= to this adapter"):
        next(iter(TimmLoader(InrdLoader(tile_file, 4, dtype=torch.float32, device="cpu"))))


def test_random_erasing_leaves_holes_of_the_mean(tile_file):
    (plain, _), *_ = TimmLoader(InrdLoader(tile_file, 12, device="cpu"))
    (erased, _), *_ = TimmLoader(InrdLoader(tile_file, 12, device="cpu"), re_prob=1.0)
    changed = (erased != plain).any(1)
    assert changed.flatten(1).any(1).all()
    assert (erased.movedim(1, -1)[changed] == 0).all()


def test_the_epoch_is_told_to_the_sampler(tile_file):
    def numbers(epoch):
        loader = TimmLoader(InrdLoader(InrdDataset(tile_file, target="name"), 12, shuffle=True, device="cpu"))
        loader.sampler.set_epoch(epoch)
        return [name for _, names in loader.loader for name in names]

    assert numbers(0) != numbers(1)
    assert numbers(1) == numbers(1)
    drawn = torch.utils.data.SequentialSampler(range(12))
    assert TimmLoader(InrdLoader(tile_file, 4, sampler=drawn, device="cpu")).sampler is drawn


@pytest.mark.slow
@pytest.mark.parametrize("name", ["timm_loader", "timm_prefetch"])
def test_the_example_trains(tile_file, example, name):
    losses = example(name).train(tile_file)
    assert losses and all(math.isfinite(loss) for loss in losses)
