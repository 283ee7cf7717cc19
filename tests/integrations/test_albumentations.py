"""albumentations with the arrays of a data set."""

import numpy as np
import pytest
import torch

from inrformat import InrdDataset

pytest.importorskip("albumentations", reason='albumentations is not installed: pip install "inrformat[examples]"')

import albumentations as A


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_the_example_gives_batches(tile_file, example, workers):
    batches = list(example("albumentations_dataset").batches(tile_file, workers=workers))
    assert [(images.shape, images.dtype) for images, _ in batches] == [((4, 3, 24, 24), torch.float32)] * 3
    assert sorted(int(label) for _, labels in batches for label in labels) == [0] * 6 + [1] * 6


def test_a_pipeline_gets_the_decoded_pixels(tile_file, example):
    flipped = example("albumentations_dataset").OnImage(A.HorizontalFlip(p=1))
    dataset, plain = InrdDataset(tile_file, flipped, output="numpy"), InrdDataset(tile_file, output="numpy")
    assert all(np.array_equal(image, other[:, ::-1]) for (image, _), (other, _) in zip(dataset, plain, strict=True))
