"""Batches as lists, and as a ``collate_fn`` makes them."""

import pytest
import torch
from torch.utils.data import DataLoader, default_collate
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader
from inrformat.errors import UsageError


def test_images_of_any_size_come_in_a_list(unlike_file):
    dataset = InrdDataset(unlike_file)
    images, targets = next(iter(InrdLoader(dataset, 7, collate="list", device="cpu")))
    assert targets == dataset.targets
    for image, (expected, _) in zip(images, dataset, strict=True):
        assert image.shape == expected.shape and (image.int() - expected.int()).abs().max() <= 1


def test_boxes_of_images_of_unlike_size_go_with_their_images(box_file):
    resize = v2.RandomChoice([v2.Resize((16, 16)), v2.Resize((64, 32))])
    images, targets = next(iter(InrdLoader(box_file, 3, transform=resize, collate="list", device="cpu", seed=4)))
    native = [target for _, target in InrdDataset(box_file)]
    assert len({tuple(image.shape) for image in images}) == 2
    for image, target, before in zip(images, targets, native, strict=True):
        height, width = image.shape[1:]
        assert target["boxes"].canvas_size == (height, width)
        scale = torch.tensor([width / 32, height / 32] * 2)
        assert torch.allclose(
            target["boxes"].as_subclass(torch.Tensor), before["boxes"].as_subclass(torch.Tensor) * scale
        )


def test_a_collate_function_gets_the_samples_that_a_data_loader_would_give_it(tile_file):
    def pairs(samples):
        return tuple(zip(*samples, strict=True))

    dataset = InrdDataset(tile_file, transform=v2.CenterCrop(20))
    ours = list(InrdLoader(dataset, 5, collate_fn=pairs, device="cpu"))
    theirs = list(DataLoader(dataset, 5, collate_fn=pairs))
    assert len(ours) == len(theirs)
    for (images, targets), (expected, labels) in zip(ours, theirs, strict=True):
        assert targets == labels and all(type(target) is int for target in targets)
        assert all((a.int() - b.int()).abs().max() <= 1 for a, b in zip(images, expected, strict=True))


def test_mixing_in_a_collate_function_works_as_in_torchvisions_recipes(tile_file):
    mix = v2.RandomChoice([v2.CutMix(num_classes=2), v2.MixUp(num_classes=2)])
    pipeline = v2.ToDtype(torch.float32, scale=True)
    loader = InrdLoader(
        tile_file, 6, transform=pipeline, collate_fn=lambda samples: mix(*default_collate(samples)), device="cpu"
    )
    images, labels = next(iter(loader))
    assert images.shape == (6, 3, 32, 32) and labels.shape == (6, 2)


def test_a_collation_that_does_not_exist_is_named(tile_file):
    for wrong in ({"collate": "dict"}, {"collate": "list", "collate_fn": list}):
        with pytest.raises(UsageError, match="collate"):
            InrdLoader(tile_file, device="cpu", **wrong)
