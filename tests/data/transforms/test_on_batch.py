"""What runs once for a whole batch: mixing, kornia, and functions that ask for it."""

import pytest
import torch
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader, OnBatch
from inrformat.errors import UsageError

FLOATS = v2.ToDtype(torch.float32, scale=True)
MIX = v2.RandomChoice([v2.MixUp(num_classes=2), v2.CutMix(num_classes=2)])


def loaded(source, *transforms, batch_size=6, **options):
    return InrdLoader(source, batch_size, transform=v2.Compose([v2.ToImage(), *transforms]), device="cpu", **options)


@pytest.mark.parametrize(
    "mix", [MIX, v2.Compose([MIX]), v2.RandomApply([MIX], p=0.5)], ids=["choice", "compose", "apply"]
)
def test_a_choice_of_mixings_is_drawn_once_for_a_batch(tile_file, mix):
    plain = [images for images, _ in loaded(tile_file, FLOATS)]
    loader = loaded(tile_file, FLOATS, mix)
    assert "RandomChoice" in str(loader.plan)
    kinds = set()
    for _ in range(12):
        for (images, labels), before in zip(loader, plain, strict=True):
            assert images.shape == before.shape
            if labels.ndim == 1:
                kinds.add("left alone")
            else:
                assert torch.allclose(labels.sum(1), torch.ones(6))
                # A mixed pixel is new everywhere; a cut one is that of one of two samples.
                kinds.add("cut" if (images == before).flatten(1).any(1).all() else "mixed")
    assert {"cut", "mixed"} <= kinds


def test_mixing_needs_images_of_one_size(unlike_file):
    loader = loaded(unlike_file, v2.ColorJitter(0.1), FLOATS, v2.MixUp(num_classes=2), collate="list")
    with pytest.raises(UsageError, match="MixUp takes images of one size"):
        next(iter(loader))


def test_a_function_on_the_batch_gets_the_batch(tile_file):
    seen = []

    def darker(images):
        seen.append(tuple(images.shape))
        return images * 0.5

    loader = loaded(tile_file, v2.CenterCrop(20), FLOATS, OnBatch(darker), batch_size=5)
    images = [images for images, _ in loader]
    assert seen == [(5, 3, 20, 20), (5, 3, 20, 20), (2, 3, 20, 20)]
    assert torch.equal(images[0], next(iter(loaded(tile_file, v2.CenterCrop(20), FLOATS, batch_size=5)))[0] * 0.5)
    assert "OnBatch(" in str(loader.plan)


def test_a_function_may_ask_for_targets(tile_file):
    def reversed_order(images, labels):
        return images.flip(0), labels.flip(0)

    images, labels = next(iter(loaded(tile_file, OnBatch(reversed_order, with_targets=True), batch_size=12)))
    expected, numbers = next(iter(loaded(tile_file, batch_size=12)))
    assert torch.equal(images, expected.flip(0)) and labels.tolist() == numbers.tolist()[::-1]


def test_a_function_on_the_batch_must_give_as_many_images(tile_file):
    with pytest.raises(UsageError, match=r"OnBatch: \(6, 3, 32, 32\) became \(3, 32, 32\)"):
        next(iter(loaded(tile_file, OnBatch(lambda images: images[0]))))


def test_in_a_data_set_it_gets_a_batch_of_one(tile_file):
    dataset = InrdDataset(
        tile_file, v2.Compose([v2.CenterCrop(8), OnBatch(lambda images: images.flip(0) + len(images))])
    )
    assert torch.equal(dataset[3][0], v2.CenterCrop(8)(InrdDataset(tile_file)[3][0]) + 1)


def test_what_is_drawn_for_a_batch_is_the_same_again(tile_file):
    noise = OnBatch(lambda images: images + torch.rand(len(images), 1, 1, 1))
    first, again = (next(iter(loaded(tile_file, FLOATS, noise, seed=4)))[0] for _ in range(2))
    other, _ = next(iter(loaded(tile_file, FLOATS, noise, seed=5)))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_kornia_draws_for_each_sample_of_the_batch(tile_file):
    augmentation = pytest.importorskip("kornia.augmentation", reason="kornia is not installed here")
    flip = augmentation.RandomHorizontalFlip(p=0.5)
    plain = next(iter(loaded(tile_file, FLOATS, batch_size=12)))[0]
    images, _ = next(iter(loaded(tile_file, FLOATS, flip, batch_size=12)))
    flipped = [torch.equal(image, before.flip(-1)) for image, before in zip(images, plain, strict=True)]
    kept = [torch.equal(image, before) for image, before in zip(images, plain, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True)) and any(flipped) and any(kept)
    with pytest.raises(UsageError, match=r"kornia takes floats: put ToDtype\(torch.float32, scale=True\)"):
        next(iter(loaded(tile_file, flip)))
