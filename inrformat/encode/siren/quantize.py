"""Layer-wise quantization: a step for each group of weights, in proportion to how little the image feels it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from inrformat.encode.record import Image
from inrformat.encode.siren.fit import image_psnr_db, pixel_centres
from inrformat.networks.siren import SCALES_PER_OCTAVE, Siren

__all__ = ["choose_steps", "group_sensitivity", "quantize", "quantize_within"]

_PROBES = 4
_PROBE_SIDE = 32
_FINEST_NOISE, _HALVINGS = 1 / 4096, 24
_SCALES = (0, -4, -8, -16, -24)


def group_sensitivity(network: Siren, parameters: Tensor, xy: Tensor, *, seed: int) -> Tensor:
    """Mean squared derivative of a colour value by one parameter of each group: float32 ``(groups,)``.

    With rounding noise of variance step**2 / 12 in each parameter, the image's MSE grows by the sum over groups of
    size * sensitivity * step**2 / 12; for a given number of bits that sum is least where step is proportional to
    1 / sqrt(sensitivity). Estimated with random signs (Hutchinson) instead of one backward pass a pixel.

    Args:
        parameters: ``(B, P)``. xy: ``(N, 2)``.
    """
    generator = torch.Generator().manual_seed(seed)
    squares = torch.zeros(network.parameter_count, device=parameters.device)
    weights = parameters.detach().requires_grad_()
    for _ in range(_PROBES):
        colours = network.evaluate(weights, xy)
        signs = torch.randint(0, 2, colours.shape, generator=generator).to(colours) * 2 - 1
        (gradient,) = torch.autograd.grad((colours * signs).sum(), weights)
        squares += gradient.square().mean(0) / (_PROBES * colours.shape[1] * colours.shape[2])
    return torch.stack([group.mean() for group in torch.split(squares, list(network.group_sizes))])


def quantize(network: Siren, parameters: Tensor, scales: Tensor) -> Tensor:
    """Nearest symbols, int32 ``(B, P)``, under steps of ``network.steps * 2**(scales / 8)``; ``scales`` is ``(B,)``."""
    steps = torch.from_numpy(network.step_vector).to(parameters.device)
    factors = (scales.float() / SCALES_PER_OCTAVE).exp2()
    base = 0.0 if network.base is None else torch.from_numpy(network.base).to(parameters.device)
    return ((parameters - base) / (steps * factors[:, None])).round().to(torch.int32)


def choose_steps(
    network: Siren, parameters: Tensor, images: Sequence[Image], *, max_drop_db: float, seed: int
) -> Siren:
    """``network`` with the coarsest steps that cost at most ``max_drop_db`` of PSNR on average over ``images``.

    The ratio between groups comes from their sensitivity, the common factor from trying, in quarter octaves.
    """
    xy = pixel_centres(_PROBE_SIDE, _PROBE_SIDE, device=parameters.device)
    sensitivity = group_sensitivity(network, parameters, xy, seed=seed)
    finest = (12 / sensitivity.clamp(min=1e-12)).sqrt() * _FINEST_NOISE
    before = image_psnr_db(network, parameters, images)
    zero = torch.zeros(len(images), device=parameters.device)
    chosen = replace(network, steps=tuple(finest.tolist()))
    for quarters in range(1, _HALVINGS + 1):
        coarser = replace(network, steps=tuple((finest * 2 ** (quarters / 4)).tolist()))
        symbols = quantize(coarser, parameters, zero)
        after = image_psnr_db(coarser, coarser.dequantize(zero, symbols), images)
        if (before - after).mean() > max_drop_db:
            break
        chosen = coarser
    return chosen


def quantize_within(
    network: Siren, parameters: Tensor, images: Sequence[Image], *, max_drop_db: float
) -> tuple[Tensor, Tensor]:
    """Quantize each image with the coarsest scale that costs it at most ``max_drop_db``.

    Returns:
        scales int32 ``(B,)`` and symbols int32 ``(B, P)``.
    """
    before = image_psnr_db(network, parameters, images)
    scales = torch.full((len(images),), _SCALES[0], dtype=torch.int32, device=parameters.device)
    for finer in _SCALES[1:]:
        symbols = quantize(network, parameters, scales)
        after = image_psnr_db(network, network.dequantize(scales, symbols), images)
        scales = torch.where(before - after > max_drop_db, finer, scales).to(torch.int32)
    return scales, quantize(network, parameters, scales)
