"""What layer-wise quantization costs against the float networks that it starts from."""

import numpy as np
import pytest
import torch

from inrformat.encoding.corpus import Corpus
from inrformat.families.siren.encoder.encoder import SirenEncoder
from inrformat.families.siren.encoder.options import Pruning, SirenOptions
from inrformat.families.siren.encoder.rate_control import quantize_for_drop

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quantized(photo_tiles):
    """3x15 networks of twelve photographs of 32 px: the float ones, the quantized ones, and what quantized them."""
    images = [*photo_tiles["astronaut"], *photo_tiles["coffee"]]
    options = SirenOptions(hidden=(3, 15), pruning=Pruning.NONE)
    trained = SirenEncoder(options, device=torch.device("cpu")).train(Corpus.of(images))
    fitted = trained.first_fit.fit(images)
    return fitted, quantize_for_drop(trained.quantizer, fitted, max_drop_db=options.max_drop_db), trained.quantizer


def test_it_costs_at_most_three_tenths_of_a_decibel_at_eight_bits_a_weight(quantized):
    fitted, result, quantizer = quantized
    groups = np.split(result.symbols, np.cumsum(quantizer.network.group_sizes)[:-1], axis=1)
    # Fixed length for each image and group, before entropy coding: enough bits for the largest symbol and its sign.
    bits = sum(g.shape[1] * np.ceil(np.log2(2 * np.abs(g).max(1) + 1)) for g in groups) / result.symbols.shape[1]
    drop_db = 10 * np.log10(result.mse / fitted.mse)
    assert bits.mean() <= 8
    assert drop_db.mean() <= 0.3 and drop_db.max() <= 1


def test_fine_tuning_regains_part_of_what_rounding_costs(quantized):
    fitted, result, quantizer = quantized
    rounded = quantizer.without_fine_tuning().quantize(fitted, result.scales)
    assert np.log10(rounded.mse / result.mse).mean() * 10 > 0.05
