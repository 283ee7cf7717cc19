"""Data sets that evaluate the geometry of their transforms in the decoder."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from torchvision import transforms as v1, tv_tensors
from torchvision.transforms import v2

from inrformat import InrdDataset
from inrformat.errors import UsageError

EVAL = v2.Compose([v2.Resize(24), v2.CenterCrop(20), v2.ToDtype(torch.float32, scale=True)])
TRAIN = v2.Compose(
    [
        v2.RandomResizedCrop(24, scale=(0.3, 1)),
        v2.RandomHorizontalFlip(),
        v2.ColorJitter(0.4),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.5] * 3, [0.25] * 3),
    ]
)


def stacked(dataset):
    return torch.stack([image for image, _ in dataset.__getitems__(range(len(dataset)))]).as_subclass(torch.Tensor)


def test_lifted_samples_are_those_of_the_plain_data_set(tile_file):
    plain, lifted = InrdDataset(tile_file, EVAL), InrdDataset(tile_file, EVAL, lift=True)
    assert type(lifted[0][0]) is tv_tensors.Image and lifted[0][0].dtype == torch.float32
    error = (stacked(lifted) - stacked(plain)).square().mean().sqrt()
    assert float(error) < 4 / 255
    assert [target for _, target in lifted] == plain.targets


def test_samples_are_of_the_class_that_the_pipeline_gives(tile_file):
    classic = v1.Compose([v1.CenterCrop(10), v1.ToTensor(), v1.Normalize([0.5] * 3, [0.5] * 3)])
    for pipeline in (classic, EVAL):
        plain, lifted = InrdDataset(tile_file, pipeline), InrdDataset(tile_file, pipeline, lift=True)
        assert type(lifted[0][0]) is type(plain[0][0])


def test_images_of_unlike_size_stay_so(unlike_file):
    pipeline = v2.Compose([v2.Resize(16), v2.RandomHorizontalFlip(1.0)])
    plain, lifted = InrdDataset(unlike_file, pipeline), InrdDataset(unlike_file, pipeline, lift=True)
    for (expected, _), (image, _) in zip(plain, lifted.__getitems__(range(len(lifted))), strict=True):
        assert image.shape == expected.shape and image.dtype == torch.uint8
        assert (image.double() - expected.double()).square().mean().sqrt() < 5


def test_draws_follow_torchs_generator_and_differ_from_sample_to_sample(tile_file):
    dataset = InrdDataset(tile_file, TRAIN, lift=True)
    torch.manual_seed(3)
    first = stacked(dataset)
    second = stacked(dataset)
    torch.manual_seed(3)
    assert torch.equal(stacked(dataset), first) and not torch.equal(first, second)
    twice = dataset.__getitems__([5, 5])
    assert not torch.equal(twice[0][0], twice[1][0])


@pytest.mark.parametrize("context", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_draw_by_the_seed_of_the_loader(tile_file, context):
    dataset = InrdDataset(tile_file, TRAIN, lift=True)
    assert dataset.plan.lifted  # split already, as it is after the first sample

    def epoch(seed):
        loader: DataLoader[Any] = DataLoader(
            dataset,
            4,
            num_workers=2,
            generator=torch.Generator().manual_seed(seed),
            multiprocessing_context=context,
        )
        return torch.cat([images for images, _ in loader])

    first, again, other = epoch(1), epoch(1), epoch(2)
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert first.shape == (12, 3, 24, 24)


def test_transforms_take_boxes_along_and_transform_does_not(box_file):
    flip = v2.Compose([v2.RandomHorizontalFlip(1.0), v2.SanitizeBoundingBoxes()])
    plain, lifted = InrdDataset(box_file, transforms=flip), InrdDataset(box_file, transforms=flip, lift=True)
    for (image, target), (expected_image, expected) in zip(lifted, plain, strict=True):
        assert target["boxes"].tolist() == expected["boxes"].tolist()
        assert target["labels"].tolist() == expected["labels"].tolist()
        assert (image.int() - expected_image.int()).abs().max() <= 1
    with pytest.warns(UserWarning, match="transform moves the image and leaves its boxes") as warned:
        alone = InrdDataset(box_file, transform=v2.RandomHorizontalFlip(1.0), lift=True)
        alone.transform = v2.RandomHorizontalFlip(1.0)
    assert [warning.filename for warning in warned if warning.category is UserWarning] == [__file__] * 2
    assert alone[0][1]["boxes"].tolist() == InrdDataset(box_file)[0][1]["boxes"].tolist()
    assert torch.equal(alone[0][0], lifted[0][0])


def test_target_transforms_and_later_changes_hold(tile_file):
    dataset = InrdDataset(tile_file, EVAL, target_transform=lambda label: label + 5, lift=True)
    assert dataset[0][0].shape == (3, 20, 20) and dataset[0][1] == 5
    dataset.transform = v2.CenterCrop(10)
    assert dataset[0][0].shape == (3, 10, 10) and dataset[0][1] == 5
    dataset.transform = None
    dataset.size = 16
    assert dataset[0][0].shape == (3, 16, 16)


def test_what_is_not_lifted_runs_on_the_decoded_sample_in_the_form_asked_for(tile_file):
    seen = []

    def look(image):
        seen.append(image)
        return image

    InrdDataset(tile_file, v2.Compose([v2.CenterCrop(10), look]), lift=True, output="numpy")[0]
    assert isinstance(seen[0], np.ndarray) and seen[0].shape == (10, 10, 3)
    pipeline = v1.Compose([v1.CenterCrop(10), look, v1.ToTensor()])
    image, _ = InrdDataset(tile_file, pipeline, lift=True)[0]
    assert seen[1].size == (10, 10) and image.dtype == torch.float32 and image.max() <= 1


def test_resident_bytes_and_pickles_lift_too(tile_file):
    dataset = InrdDataset(tile_file, EVAL, lift=True)
    expected = stacked(dataset)
    assert torch.equal(stacked(pickle.loads(pickle.dumps(dataset))), expected)
    assert torch.equal(stacked(dataset.to("cpu")), expected)


def test_the_plan_says_what_is_lifted(tile_file):
    assert "ColorJitter is not lifted" in str(InrdDataset(tile_file, TRAIN, lift=True).plan)
    with pytest.raises(UsageError, match="lift=True"):
        _ = InrdDataset(tile_file, TRAIN).plan
