"""Engines: many images of any size at once, the best weights of each, early stop, and no harm from divergence."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from inrformat.families.siren.encoder.engine import AdamConfig, Initialization, Shape
from inrformat.families.siren.encoder.fit import FirstFit
from inrformat.families.siren.encoder.initialization import Origin, initial_parameters
from inrformat.families.siren.encoder.numba_engine import NumbaEngine
from inrformat.families.siren.encoder.optimizer import Optimizer
from inrformat.families.siren.encoder.torch_engine import MemoryBudget, TorchEngine
from inrformat.families.siren.encoder.training_points import points

SHAPE = Shape((2, 15, 15, 3), 30.0)
ADAM = AdamConfig(steps=120, learning_rate=3e-3, pixels_per_step=4096)


@pytest.fixture(params=["one thread", "two threads", "torch"])
def engine(request):
    if request.param == "torch":
        return TorchEngine(torch.device("cpu"), slots=2)
    return NumbaEngine(threads=1 if request.param == "one thread" else 2)


def initialization_for(images, **binding):
    first = initial_parameters(SHAPE, seed=0)
    differences = np.repeat(first[None], len(images), axis=0)
    return Initialization(origin=np.zeros_like(first), differences=differences, **binding)


def test_engines_agree_on_images_of_unequal_sizes(mixed_images):
    one = NumbaEngine(threads=1).fit(SHAPE, mixed_images, initialization_for(mixed_images), ADAM)
    other = TorchEngine(torch.device("cpu"), slots=2).fit(SHAPE, mixed_images, initialization_for(mixed_images), ADAM)
    large = [0, 4]
    assert np.allclose(one.psnr_db()[large], other.psnr_db()[large], atol=0.1)
    assert (one.psnr_db() > 20).all() and (other.psnr_db() > 20).all()


@pytest.mark.slow
def test_engines_agree_where_a_step_sees_a_part_of_the_pixels(mixed_images):
    adam = replace(ADAM, steps=400, pixels_per_step=200, between=True)
    one = NumbaEngine(threads=1).fit(SHAPE, mixed_images, initialization_for(mixed_images), adam)
    other = TorchEngine(torch.device("cpu"), slots=2).fit(SHAPE, mixed_images, initialization_for(mixed_images), adam)
    large = [0, 4]
    assert np.allclose(one.psnr_db()[large], other.psnr_db()[large], atol=0.3)
    assert (one.psnr_db() > 20).all() and (other.psnr_db() > 20).all()


def test_an_image_s_fit_does_not_depend_on_its_company(engine, mixed_images):
    together = engine.fit(SHAPE, mixed_images, initialization_for(mixed_images), ADAM)
    alone = engine.fit(SHAPE, mixed_images[-1:], initialization_for(mixed_images[-1:]), ADAM)
    assert together.psnr_db()[-1] == pytest.approx(alone.psnr_db()[0], abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize(("between", "budget"), [(False, 60_000), (True, 240_000)])
def test_an_image_whose_pixels_and_activations_exceed_the_memory_is_fitted_from_a_sample(mixed_images, between, budget):
    # The largest image alone has 20 kB of points, four times that with those between, and 430 kB of activations.
    adam = replace(ADAM, steps=400, between=between)
    tight = TorchEngine(torch.device("cpu"), memory_bytes=budget)
    fit = tight.fit(SHAPE, mixed_images, initialization_for(mixed_images), adam)
    most, seen = MemoryBudget(budget).most_points, replace(adam, pixels_per_step=256)
    counted = [points(image.shape[0], image.shape[1], seen, at_most=most) for image in mixed_images]
    sampled = [pixels * point_grids for pixels, point_grids in counted]
    assert max(sampled) < (4 if between else 1) * 32 * 32 and 4 * 20 * max(sampled) <= budget
    # What is measured on the sample holds for all pixels.
    fitted = replace(initialization_for(mixed_images), differences=fit.differences)
    everywhere = NumbaEngine(threads=1).fit(SHAPE, mixed_images, fitted, replace(ADAM, steps=0))
    assert (everywhere.psnr_db()[[0, 4]] > 17).all()


def test_a_network_that_reaches_its_target_stops(engine, mixed_images):
    targets = np.full(len(mixed_images), 10**-2.0)
    fit = engine.fit(SHAPE, mixed_images, initialization_for(mixed_images, target_mse=targets), ADAM)
    assert (fit.mse <= targets).all() and (fit.steps < ADAM.steps).any() and not fit.diverged.any()


def test_rounded_and_pruned_weights_stay_so(engine, mixed_images):
    initialization = initialization_for(mixed_images)
    mask = np.random.default_rng(0).random(initialization.differences.shape) < 0.8
    quantization_steps = np.full_like(initialization.differences, 1 / 64)
    bound = replace(initialization, mask=mask, quantization_steps=quantization_steps)
    fit = engine.fit(SHAPE, mixed_images, bound, ADAM)
    symbols = fit.differences * 64
    assert (symbols == np.rint(symbols)).all() and (fit.differences[~mask] == 0).all()


def test_no_steps_measure_the_start(engine, mixed_images):
    initialization = initialization_for(mixed_images)
    fit = engine.fit(SHAPE, mixed_images, initialization, replace(ADAM, steps=0))
    assert (fit.steps == 0).all() and np.array_equal(fit.differences, initialization.differences)


def test_a_fit_whose_loss_is_not_finite_is_reported_and_the_others_are_not_harmed(engine, mixed_images):
    initialization = initialization_for(mixed_images)
    initialization.differences[0] = np.nan
    fit = engine.fit(SHAPE, mixed_images, initialization, ADAM)
    assert fit.diverged[0] and not np.isfinite(fit.mse[0]) and np.isfinite(fit.mse[1:]).all()


@pytest.mark.filterwarnings("ignore:overflow")
def test_an_image_that_cannot_be_fitted_becomes_its_mean_colour(mixed_images):
    first = initial_parameters(SHAPE, seed=0)
    wild = Optimizer(NumbaEngine(threads=1), SHAPE, replace(ADAM, learning_rate=1e6))
    origin = Origin(np.zeros_like(first), np.full_like(first, np.nan), learned=False)
    fit = FirstFit(optimizer=wild, origin=origin).fit(mixed_images[:1])
    assert fit.diverged[0] and np.isfinite(fit.differences).all()
    assert np.allclose(fit.differences[0, -3:] * 0.5 + 0.5, mixed_images[0].mean((0, 1)) / 255, atol=1e-3)
