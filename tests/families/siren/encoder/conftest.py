"""Small networks and images for the encoder's tests."""

import numpy as np
import pytest

from inrformat.families.siren.encoder.engine import Shape
from inrformat.families.siren.encoder.initialization import initial_parameters


@pytest.fixture(params=[(2, 15, 15, 15, 3), (2, 7, 3), (2, 28, 28, 28, 28, 3)], ids=["3x15", "1x7", "4x28"])
def shape(request):
    return Shape(request.param, 30.0)


@pytest.fixture
def networks(shape):
    """Three networks: float32 (3, P)."""
    return np.stack([initial_parameters(shape, seed=seed) for seed in range(3)])


@pytest.fixture
def mixed_images(photo_tiles):
    """Photographs of unequal sizes, one pixel, and a constant image."""
    tiles = photo_tiles["coffee"]
    return [tiles[0], tiles[1][:17, :9], tiles[2][:1, :1], np.full((8, 12, 3), 200, np.uint8), tiles[3]]
