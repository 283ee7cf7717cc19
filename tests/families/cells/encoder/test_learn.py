"""What is learned from a sample depends on the sample alone."""

from __future__ import annotations

import numpy as np

from inrformat.families.cells.encoder.train import Sample, learn_codebook


def test_a_codebook_is_the_same_whatever_the_threads(photo_tiles: dict[str, list[np.ndarray]]) -> None:
    images = photo_tiles["astronaut"]
    one, three = (learn_codebook(Sample.of(images, threads=n), 8.0, scale_spread=0.1, threads=n) for n in (1, 3))
    assert one.codebook.codebook.to_map() == three.codebook.codebook.to_map()
    np.testing.assert_array_equal(one.model.bits, three.model.bits)
