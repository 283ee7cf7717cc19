"""The steps of a fit on a CUDA device that is not there: the host runs ahead of it."""

import numpy as np
import pytest
import torch

from inrformat.families.siren.descriptor import layer_slices
from inrformat.families.siren.encoder import torch_engine, triton_kernel
from inrformat.families.siren.encoder.engine import AdamConfig, Initialization, Shape, ignore_fits

from ....fake_cuda import CUDA, fake_cuda

ADAM = AdamConfig(steps=10, learning_rate=1e-3, pixels_per_step=128)
IMAGES = 200


@pytest.mark.parametrize("widths", [(2, 15, 15, 3), (2, 28, 28, 28, 3)])
def test_a_step_waits_for_nothing_and_launches_one_kernel(widths):
    shape = Shape(widths, 30.0)
    parameters = layer_slices(widths)[-1][1].stop
    start = Initialization(
        origin=np.zeros(parameters, np.float32), differences=np.zeros((IMAGES, parameters), np.float32)
    )
    images = [np.zeros((16, 20, 3), np.uint8)] * IMAGES
    with fake_cuda() as cuda:
        with cuda.loading():
            fitting = torch_engine._Fitting(
                device=CUDA,
                shape=shape,
                images=images,
                initialization=start,
                adam=ADAM,
                most_points=1 << 20,
                result=torch_engine._no_fits(*start.differences.shape),
                on_fit=ignore_fits,
            )
            slots = fitting._loaded(list(range(IMAGES)))
            origin, gradient = torch.zeros(len(start.origin), device=CUDA), torch.zeros_like(slots.latent)
        cuda.forget()
        for _ in range(2):
            difference = torch_engine._rounded(slots.latent, slots.quantization_steps)
            points = torch_engine._sampled(slots, 2, ADAM)
            torch_engine._gradients(shape, origin + difference, *points, gradient=gradient)
            torch_engine._adam(slots, gradient, ADAM)
    first, second = cuda.launches
    assert first.kernel is second.kernel is triton_kernel.errors_and_gradients_kernel
    programs = 132 * 2
    assert first.grid == (programs,) and first.arguments["scratch_ptr"].shape[0] == programs
    assert len(cuda.operations) < 2 * 150
