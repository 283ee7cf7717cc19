"""The Gauss-Newton diagonal, quantization steps, masks, the pixel order and the learned base."""

import numpy as np
import pytest
import torch

from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.encoder.engine import AdamConfig, Initialization, Shape
from inrformat.families.siren.encoder.gauss_newton import gauss_newton_diagonal
from inrformat.families.siren.encoder.initialization import initial_parameters, learn_base
from inrformat.families.siren.encoder.numba_engine import NumbaEngine
from inrformat.families.siren.encoder.optimizer import Optimizer
from inrformat.families.siren.encoder.prune import keep_mask, saliency
from inrformat.families.siren.encoder.quantization_steps import equal_noise
from inrformat.families.siren.encoder.rate_control import scales_for_noise
from inrformat.families.siren.encoder.training_points import pixel_order, shuffled_colours
from inrformat.families.siren.reference import evaluate


def test_the_gauss_newton_diagonal_is_the_mean_squared_jacobian(shape, networks):
    network = Siren(shape.widths, shape.omega, (1.0,) * 2, (0,) * 2, 0)
    centres = (2 * torch.arange(32) + 1) / 32 - 1
    xy = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), -1).flatten(0, 1).double()
    chosen = np.random.default_rng(0).choice(1024, 40, replace=False)
    theta = torch.from_numpy(networks[:1]).double()
    jacobian = torch.autograd.functional.jacobian(lambda p: evaluate(network, p, xy[chosen]), theta)
    some = jacobian.reshape(-1, theta.shape[1]).square().mean(0).numpy()
    exact = gauss_newton_diagonal(shape, networks[:1])[0]
    # 40 of 1024 points: the mean over many weights is close, single ones scatter.
    assert exact.mean() == pytest.approx(some.mean(), rel=0.2)
    assert np.corrcoef(np.log(exact + 1e-9), np.log(some + 1e-9))[0, 1] > 0.95


def test_steps_share_the_noise_evenly_over_weights():
    diagonal = np.array([[4.0, 4.0, 1.0, 0.0]], np.float32)
    steps = equal_noise(diagonal, (2, 1, 1), noise=0.3)
    parts = [4.0 * steps[0] ** 2 / 12, 1.0 * steps[1] ** 2 / 12]
    assert parts[0] == pytest.approx(parts[1]) and 2 * parts[0] + parts[1] < 0.3
    assert np.isfinite(steps).all() and steps[2] > steps[1]


def test_eight_scales_double_the_step():
    assert scales_for_noise(np.ones(2), np.array([4.0, 1 / 16])).tolist() == [8, -16]


def test_masks_keep_the_most_salient_weights_of_each_group():
    scores = np.array([[1.0, 2.0, 3.0, 4.0, 9.0, 8.0]], np.float32)
    assert keep_mask(scores, 0.5, (6,)).tolist() == [[False, False, False, True, True, True]]
    assert keep_mask(scores, 0.5, (4, 2)).tolist() == [[False, False, True, True, True, False]]


def test_saliency_of_a_useless_weight_is_zero(shape, networks):
    differences = networks.copy()
    differences[:, 5] = 0
    for by in ("sensitivity", "magnitude"):
        scores = saliency(shape, np.zeros_like(networks[0]), differences, by=by)
        assert (scores[:, 5] == 0).all() and (scores >= 0).all() and scores.max() > 0


def test_pixels_keep_their_colours_when_shuffled():
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    order = pixel_order(4, 6, AdamConfig(steps=1, learning_rate=1e-3, pixels_per_step=12, seed=1))
    assert order.point_grids == 1 and sorted((6 * order.rows + order.columns).tolist()) == list(range(24))
    assert np.allclose(order.xy, [(2 * order.columns + 1) / 6 - 1, (2 * order.rows + 1) / 4 - 1])
    assert np.allclose(shuffled_colours(image, order).T * 255, image[order.rows, order.columns])


def test_points_between_pixels_have_the_colours_of_the_picture_there():
    def picture(x, y):
        return 127 + 100 * np.cos(6 * x + 1) * np.sin(4 * y)

    height, width = 48, 64
    y, x = np.meshgrid((2 * np.arange(height) + 1) / height - 1, (2 * np.arange(width) + 1) / width - 1, indexing="ij")
    image = np.rint(picture(x, y)).astype(np.uint8)[:, :, None]
    order = pixel_order(height, width, AdamConfig(steps=1, learning_rate=1e-3, pixels_per_step=512, between=True))
    colours = 255 * shuffled_colours(image, order)[0]
    inside = (np.abs(order.xy) < 0.85).all(0)  # near the border Lanczos's filter sees pixels that are not there
    assert order.point_grids == 4 and colours.shape == (4 * height * width,)
    assert np.abs(colours - picture(*order.xy))[inside].max() < 2
    assert len(np.unique(order.xy, axis=1).T) == 4 * height * width


@pytest.mark.slow
def test_a_learned_base_saves_steps_on_other_images(photo_tiles):
    shape = Shape((2, 15, 15, 3), 30.0)
    optimizer = Optimizer(NumbaEngine(threads=1), shape, AdamConfig(steps=60, learning_rate=3e-3))
    base = learn_base(optimizer, photo_tiles["coffee"])
    other = photo_tiles["astronaut"]
    zeros = np.zeros((len(other), len(base)), np.float32)
    assert np.array_equal(base, base.astype(np.float16))
    from_base = optimizer.fit(other, Initialization(origin=base, differences=zeros))
    random = initial_parameters(shape, seed=0)
    from_random = optimizer.fit(other, Initialization(origin=random, differences=zeros))
    assert from_base.psnr_db().mean() > from_random.psnr_db().mean() + 0.5
