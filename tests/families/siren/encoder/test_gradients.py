"""All backends compute the gradient of the reference evaluation."""

import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.encoder.exact_mlp import PaddedShape, workspace
from inrformat.families.siren.encoder.gradient import errors_and_gradients
from inrformat.families.siren.encoder.lanes import TILE_PIXELS
from inrformat.families.siren.encoder.numba_kernel import TrainingPoints, loss_and_gradient
from inrformat.families.siren.padding import PaddedParameters
from inrformat.families.siren.reference import evaluate

PIXELS = 300


def reference(shape, parameters, xy, colours):
    """Mean squared error and gradient by automatic differentiation of the family's own evaluation, in float64."""
    network = Siren(shape.widths, shape.omega, (1.0,) * 2, (0,) * 2, 0)
    leaf = torch.from_numpy(parameters).double().requires_grad_()
    out = evaluate(network, leaf, torch.from_numpy(xy).double().mT)
    losses = (out.mT - torch.from_numpy(colours).double()).square().mean((1, 2))
    losses.sum().backward()
    assert leaf.grad is not None
    return losses.detach().numpy(), leaf.grad.numpy()


@pytest.fixture
def pixels():
    rng = np.random.default_rng(3)
    return rng.uniform(-1, 1, (2, PIXELS)).astype(np.float32), rng.random((3, 3, PIXELS), dtype=np.float32)


def test_compiled_kernel_agrees_with_automatic_differentiation(shape, networks, pixels):
    xy, colours = pixels
    losses, gradients = reference(shape, networks, xy, colours)
    padding = PaddedParameters.of(shape.widths)
    padded_shape = PaddedShape(padding.widths, np.float32(shape.omega), 3)
    rows = np.zeros((4, PIXELS + TILE_PIXELS), np.float32)
    rows[:2, :PIXELS] = xy
    work, gradient = workspace(padded_shape), np.zeros(padding.size, np.float32)
    for b, parameters in enumerate(networks):
        truth = np.zeros_like(rows)
        truth[:3, :PIXELS] = colours[b]
        points = TrainingPoints(rows, truth, PIXELS, 1)
        sse = loss_and_gradient(padded_shape, padding.pad(parameters), points, 0, PIXELS, work, gradient)
        assert sse / (3 * PIXELS) == pytest.approx(losses[b], rel=1e-5)
        assert np.linalg.norm(padding.unpad(gradient) - gradients[b]) < 1e-5 * np.linalg.norm(gradients[b])
        assert np.abs(gradient).sum() == pytest.approx(np.abs(padding.unpad(gradient)).sum())  # nothing in the padding


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4)])
def test_torch_form_agrees_with_automatic_differentiation(shape, networks, pixels, dtype, tolerance):
    xy, colours = pixels
    losses, gradients = reference(shape, networks, xy, colours)
    parameters = torch.from_numpy(networks).to(dtype)
    gradient = torch.zeros_like(parameters)
    weights = torch.full((3, 1, PIXELS), 1 / PIXELS, dtype=dtype)
    coordinates = torch.from_numpy(xy).to(dtype).expand(3, -1, -1)
    truth = torch.from_numpy(colours).to(dtype)
    errors = errors_and_gradients(shape, parameters, coordinates, truth, weights, gradient=gradient)
    assert np.allclose(errors.numpy(), losses, rtol=tolerance)
    assert np.linalg.norm(gradient.numpy() - gradients) < tolerance * np.linalg.norm(gradients)


INTERPRETED = """
import torch
from inrformat.families.siren.encoder import triton_kernel
from inrformat.families.siren.encoder.engine import Shape
from inrformat.families.siren.encoder.gradient import errors_and_gradients
from inrformat.families.siren.encoder.initialization import initial_parameters
for widths, pixels in (((2, 15, 15, 3), 70), ((2, 28, 3), 130), ((2, 40, 40, 3), 70)):
    shape = Shape(widths, 30.0)
    assert triton_kernel.supports(shape)
    generator = torch.Generator().manual_seed(0)
    parameters = torch.stack([torch.from_numpy(initial_parameters(shape, seed=s)) for s in range(2)])
    xy, colours = torch.rand(2, 2, pixels, generator=generator) * 2 - 1, torch.rand(2, 3, pixels, generator=generator)
    weights = torch.rand(2, 1, pixels, generator=generator)
    ours, theirs = torch.zeros_like(parameters), torch.zeros_like(parameters).double()
    a = triton_kernel.errors_and_gradients(shape, parameters, xy, colours, weights, gradient=ours, precision="ieee")
    wide = [t.double() for t in (parameters, xy, colours, weights)]
    b = errors_and_gradients(shape, *wide, gradient=theirs)
    assert torch.allclose(a.double(), b, rtol=1e-5), (a, b)
    assert (ours - theirs).norm() < 1e-4 * theirs.norm(), (widths, pixels)
"""


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
def test_fused_kernel_agrees_with_the_torch_form_in_triton_s_interpreter():
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def spilled_bytes(hidden, *, capability, folder):
    """What the assembler says of the kernel for networks of that shape: bytes spilled to memory, loads and stores."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.backends.nvidia.compiler import get_ptxas
    from triton.compiler import ASTSource

    from inrformat.families.siren.encoder import triton_kernel

    layers, width = hidden
    pad = max(triton.next_power_of_2(width), 16)
    tile, warps = triton_kernel.tiling(pad)
    fixed = {
        "LAYERS": layers + 1,
        "INPUTS": 2,
        "CHANNELS": 3,
        "PAD": pad,
        "TILE": tile,
        "SPLITS": 4,
        "PRECISION": "tf32",
    }
    kernel = triton_kernel.errors_and_gradients_kernel
    kinds = {
        n: "constexpr"
        if n in fixed
        else "*fp32"
        if n.endswith("_ptr")
        else "i32"
        if n in {"items", "pixels"}
        else "fp32"
        for n in kernel.arg_names
    }
    target = GPUTarget("cuda", capability, 32)
    source = ASTSource(kernel, kinds, constexprs=fixed)
    compiled = triton.compile(source, target=target, options={"num_warps": warps})
    (folder / "kernel.ptx").write_text(compiled.asm["ptx"])
    done = subprocess.run(
        [
            get_ptxas(capability).path,
            "-v",
            f"--gpu-name=sm_{capability}{'a' * (capability >= 90)}",
            folder / "kernel.ptx",
            "-o",
            folder / "kernel.cubin",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"(\d+) bytes spill stores, (\d+) bytes spill loads", done.stderr)
    assert found, done.stderr
    return sum(int(n) for pair in found for n in pair)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("hidden", [(3, 15), (10, 28), (10, 40)], ids=["3x15", "10x28", "10x40"])
def test_fused_kernel_keeps_its_state_in_registers(hidden, capability, tmp_path):
    # In a process of its own: whether Triton interprets is settled when it is loaded, and in this one it does.
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    call = f"print(runpy.run_path({__file__!r})['spilled_bytes']({hidden}, capability={capability}, folder=folder))"
    code = f"import pathlib, runpy; folder = pathlib.Path({str(tmp_path)!r}); {call}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "0"), done.stderr
