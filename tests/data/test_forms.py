"""Pipelines made for Pillow images or arrays, on a data set of networks."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as v1, tv_tensors
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from inrformat import InrdDataset, InrdLoader
from inrformat.errors import UsageError

CLASSIC = v1.Compose([v1.Resize(24), v1.CenterCrop(20), v1.ToTensor(), v1.Normalize([0.5] * 3, [0.25] * 3)])


def test_output_is_the_form_of_samples(tile_file):
    tensor, _ = InrdDataset(tile_file)[3]
    assert type(tensor) is tv_tensors.Image
    array, _ = InrdDataset(tile_file, output="numpy")[3]
    assert array.dtype == np.uint8 and np.array_equal(array, tensor.permute(1, 2, 0).numpy())
    picture, _ = InrdDataset(tile_file, output="pil")[3]
    assert isinstance(picture, Image.Image) and picture.mode == "RGB" and np.array_equal(np.asarray(picture), array)
    with pytest.raises(UsageError, match="output 'jpeg': choose one of tensor, pil, numpy"):
        InrdDataset(tile_file, output="jpeg")


@pytest.mark.parametrize(
    "pipeline", [CLASSIC, v2.Compose([v2.CenterCrop(20), v2.ToTensor()]), v1.PILToTensor()], ids=["v1", "v2", "alone"]
)
def test_pipelines_for_pillow_images_get_them(tile_file, photo_folder, pipeline):
    image, target = InrdDataset(tile_file, pipeline)[3]
    expected, label = ImageFolder(photo_folder, pipeline)[3]
    assert (image.shape, image.dtype, target) == (expected.shape, expected.dtype, label)
    span = 255 if expected.dtype == torch.uint8 else 1
    assert (image.float() - expected.float()).abs().mean() < 0.1 * span


def test_a_classic_pipeline_gives_the_loader_what_it_gives_the_data_set(tile_file):
    images, _ = next(iter(InrdLoader(tile_file, 12, transform=CLASSIC, device="cpu")))
    expected = torch.stack([image for image, _ in InrdDataset(tile_file, CLASSIC)])
    assert (images - expected).square().mean().sqrt() < 0.07


def test_a_transform_set_later_gets_its_form(tile_file):
    dataset = InrdDataset(tile_file)
    dataset.transform = CLASSIC
    assert dataset[0][0].shape == (3, 20, 20)
    dataset.transform = None
    assert type(dataset[0][0]) is tv_tensors.Image


def test_an_output_that_was_asked_for_reaches_the_transform(tile_file):
    seen: list[Any] = []
    InrdDataset(tile_file, transform=seen.append, output="numpy")[0]
    assert isinstance(seen[0], np.ndarray)
