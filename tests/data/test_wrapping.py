"""torchvision's ``wrap_dataset_for_transforms_v2`` finds nothing to wrap."""

import pickle

import pytest
import torch
from torch.utils.data import DataLoader
from torchvision.datasets import wrap_dataset_for_transforms_v2
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader, UsageError


@pytest.mark.parametrize("keys", [None, "all"])
def test_wrapping_changes_nothing(box_file, keys):
    transforms = v2.Compose([v2.RandomHorizontalFlip(1), v2.SanitizeBoundingBoxes()])
    plain, wrapped = (InrdDataset(box_file, transforms=transforms) for _ in range(2))
    wrapped = wrap_dataset_for_transforms_v2(wrapped, target_keys=keys)
    assert isinstance(wrapped, InrdDataset)
    assert wrapped.transforms is transforms
    for (image, target), (same, expected) in zip(wrapped, plain, strict=True):
        assert torch.equal(image, same)
        assert type(target["boxes"]) is type(expected["boxes"])
        assert list(target) == list(expected) == ["boxes", "labels"]
        assert all(torch.equal(target[key], expected[key]) for key in expected)


def test_the_transform_of_the_image_stays_too(tile_file):
    wrapped = wrap_dataset_for_transforms_v2(InrdDataset(tile_file, v2.Resize(8), lambda label: -label))
    image, label = wrapped[11]
    assert (tuple(image.shape), label) == ((3, 8, 8), -1)


@pytest.mark.parametrize("lift", [False, True])
def test_targets_have_the_keys_asked_for(box_file, lift):
    dataset = InrdDataset(box_file, transforms=v2.RandomHorizontalFlip(1), lift=lift)
    wrapped = wrap_dataset_for_transforms_v2(dataset, target_keys=["boxes"])
    assert [list(target) for _, target in wrapped] == [["boxes"]] * 3
    assert [list(target) for _, target in pickle.loads(pickle.dumps(wrapped))] == [["boxes"]] * 3
    (_, targets), *_ = InrdLoader(wrapped, 3, device="cpu")
    assert [list(target) for target in targets] == [["boxes"]] * 3
    assert all(torch.equal(target["boxes"], dataset[k][1]["boxes"]) for k, target in enumerate(targets))
    assert list(dataset[0][1]) == ["boxes", "labels"]


def test_keys_that_targets_do_not_have_are_refused(box_file, tile_file):
    with pytest.raises(UsageError, match=r"\['masks'\]: those here are \['boxes', 'labels'\]"):
        wrap_dataset_for_transforms_v2(InrdDataset(box_file), target_keys=["boxes", "masks"])
    with pytest.raises(UsageError, match="those here are none"):
        wrap_dataset_for_transforms_v2(InrdDataset(tile_file), target_keys=["boxes"])


@pytest.mark.slow
def test_workers_get_a_wrapped_data_set(box_file):
    wrapped = wrap_dataset_for_transforms_v2(InrdDataset(box_file), target_keys=["labels"])
    loader = DataLoader(wrapped, 3, num_workers=1, collate_fn=list, multiprocessing_context="spawn")
    assert [list(target) for batch in loader for _, target in batch] == [["labels"]] * 3
