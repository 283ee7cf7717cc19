"""What layer-wise quantization costs against the float networks that it starts from."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from inrformat.families.siren.encoder.encoder import SirenEncoder
from inrformat.families.siren.encoder.options import Pruning, SirenOptions
from inrformat.families.siren.encoder.rate_control import for_drop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quantized(photo_tiles):
    """3x15 networks of twelve photographs of 32 px: the float ones' errors, the quantized ones, the descriptor."""
    images = [*photo_tiles["astronaut"], *photo_tiles["coffee"]]
    seen: dict[str, Any] = {}

    class Watched(SirenEncoder):
        def _context(self, *parts):
            return seen.setdefault("context", super()._context(*parts))

    encoder = Watched(SirenOptions(hidden=(3, 15), pruning=Pruning.NONE), device=torch.device("cpu"))
    codebook = encoder.train(images, complete=True)
    context = seen["context"]
    return context, for_drop(context, max_drop_db=encoder.options.max_drop_db), codebook.networks[0]


def test_it_costs_at_most_three_tenths_of_a_decibel_at_eight_bits_a_weight(quantized):
    context, result, network = quantized
    groups = np.split(result.symbols, np.cumsum(network.group_sizes)[:-1], axis=1)
    # Fixed length for each image and group, before entropy coding: enough bits for the largest symbol and its sign.
    bits = sum(g.shape[1] * np.ceil(np.log2(2 * np.abs(g).max(1) + 1)) for g in groups) / result.symbols.shape[1]
    drop_db = 10 * np.log10(result.mse / context.mse)
    assert bits.mean() <= 8
    assert drop_db.mean() <= 0.3 and drop_db.max() <= 1


def test_fine_tuning_regains_part_of_what_rounding_costs(quantized):
    context, result, _ = quantized
    rounded = replace(context, tuning=replace(context.tuning, steps=0)).quantize(context.all_rows(), result.scales)
    assert np.log10(rounded.mse / result.mse).mean() * 10 > 0.05
