import numpy as np
import pytest
import torch

from inrformat.coding.rans import RansDecoder
from inrformat.encode.record import psnr_db
from inrformat.encode.siren.encoder import SirenEncoder, SirenOptions
from inrformat.encode.siren.fit import fit, image_psnr_db, initial_parameters, pixel_centres
from inrformat.encode.siren.quantize import group_sensitivity
from inrformat.networks.siren import Siren

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def images(photo_tiles):
    return [*photo_tiles["astronaut"][:3], *photo_tiles["coffee"][:2]]


def shape(hidden_layers, width):
    groups = 2 * (hidden_layers + 1)
    return Siren((2, *[width] * hidden_layers, 3), 30.0, (1.0,) * groups, (0,) * groups, 0)


def test_psnr_of_known_images():
    black = np.zeros((2, 2, 3), np.uint8)
    assert psnr_db(black, black) == 100
    assert psnr_db(black, black + np.uint8(255)) == 0
    assert psnr_db(black, black + np.uint8(1)) == pytest.approx(48.1308, abs=1e-3)


def test_pixel_centres_are_x_then_y_rows_first():
    assert pixel_centres(2, 4, device=CPU).tolist()[:5] == [
        [-0.75, -0.5],
        [-0.25, -0.5],
        [0.25, -0.5],
        [0.75, -0.5],
        [-0.75, 0.5],
    ]


def test_fitting_together_gives_each_image_what_it_gets_alone(images):
    network = shape(2, 8)
    pixels = torch.from_numpy(np.stack(images))
    together = fit(network, pixels, steps=30, learning_rate=3e-3, seed=0)
    alone = fit(network, pixels[1:2], steps=30, learning_rate=3e-3, seed=0)
    start = initial_parameters(network.widths, omega=30.0, seed=0)
    assert (together[1] - start).abs().max() > 0.01
    assert torch.allclose(together[1], alone[0], atol=1e-3)


def test_longer_fits_are_better(images):
    network = shape(3, 15)
    pixels = torch.from_numpy(np.stack(images))
    quality = [
        image_psnr_db(network, fit(network, pixels, steps=n, learning_rate=3e-3, seed=0), images).mean()
        for n in (20, 200)
    ]
    assert quality[1] > quality[0] + 3


def test_sensitivity_matches_the_jacobian():
    network = shape(2, 4)
    parameters = torch.rand(1, network.parameter_count, generator=torch.Generator().manual_seed(0)) - 0.5
    xy = pixel_centres(5, 5, device=CPU)
    jacobian = torch.autograd.functional.jacobian(lambda p: network.evaluate(p, xy), parameters)
    exact = jacobian.reshape(25 * 3, -1).square().mean(0)
    exact_groups = torch.stack([g.mean() for g in torch.split(exact, list(network.group_sizes))])
    estimated = torch.stack([group_sensitivity(network, parameters, xy, seed=s) for s in range(50)]).mean(0)
    assert torch.allclose(estimated, exact_groups, rtol=0.35)


@pytest.fixture(scope="module")
def encoded(images):
    encoder = SirenEncoder(SirenOptions(hidden=(3, 15), steps=200, max_drop_db=0.2), device=CPU)
    codebook = encoder.train(images, complete=True)
    return encoder, codebook, encoder.encode(images)


def test_quantization_keeps_to_its_budget(images, encoded):
    encoder, codebook, records = encoded
    (network,) = codebook.networks
    before = image_psnr_db(network, encoder._fit(network, images), images).numpy()
    drops = before - np.array([r.psnr_db for r in records])
    assert drops.mean() <= 0.2 + 0.05  # 0.05 for the rounding of pixels to bytes
    assert drops.max() <= 0.8 + 0.05


def test_layers_get_different_steps(encoded):
    steps = encoded[1].networks[0].steps
    assert max(steps) > 3 * min(steps)


def test_stored_quality_is_that_of_the_decoded_record(images, encoded):
    _, codebook, records = encoded
    (network,) = codebook.networks
    for record, image in zip(records, images, strict=True):
        decoder = RansDecoder([record.data], codebook.tables, lanes=network.lanes(height=32, width=32))
        scales, symbols = (torch.from_numpy(v) for v in network.read_symbols(decoder))
        pixels = network.render(network.dequantize(scales, symbols), native=(32, 32), lattice=(32, 32))
        decoded = (pixels.clamp(0, 1) * 255 + 0.5).floor()[0].permute(1, 2, 0).numpy()
        assert psnr_db(decoded, image) == pytest.approx(record.psnr_db, abs=0.01)


def test_images_that_were_not_in_the_sample_are_encoded_too(images):
    encoder = SirenEncoder(SirenOptions(hidden=(2, 10), steps=150), device=CPU)
    encoder.train(images[:3], complete=False)
    small = images[4][:20, :27]
    records = encoder.encode([images[4], images[0], small])
    assert [(r.height, r.width) for r in records] == [(32, 32), (32, 32), (20, 27)]
    for record, image in zip(records, [images[4], images[0], small], strict=True):
        flat = np.broadcast_to(image.mean((0, 1)), image.shape)
        assert record.psnr_db > psnr_db(flat, image) + 2


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 1)])
def test_tiny_and_constant_images_are_encoded(size):
    image = np.full((*size, 3), 77, np.uint8)
    encoder = SirenEncoder(SirenOptions(hidden=(2, 8), steps=100), device=CPU)
    encoder.train([image], complete=True)
    assert encoder.encode([image])[0].psnr_db > 30
