"""Batched SIREN fitting: one network an image, all images of a batch in lockstep."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from inrformat.encode.record import Image
from inrformat.networks.siren import Siren, layer_slices

__all__ = ["by_size", "fit", "fit_images", "image_psnr_db", "initial_parameters", "pixel_centres"]

_SAMPLED_PIXELS = 16384
_BATCH_ACTIVATIONS = 1 << 26


def initial_parameters(widths: Sequence[int], *, omega: float, seed: int) -> Tensor:
    """SIREN initialisation (Sitzmann et al. 2020, section 3.2), the same for every image: float32 ``(P,)``.

    One starting point for all networks leaves their weights similar, which is what shared tables profit from.
    """
    generator = torch.Generator().manual_seed(seed)
    slices = layer_slices(widths)
    values = torch.empty(slices[-1][1].stop)
    for number, ((weights, biases), inputs) in enumerate(zip(slices, widths, strict=False)):
        bound = 1 / inputs if number == 0 else math.sqrt(6 / inputs) / omega
        values[weights].uniform_(-bound, bound, generator=generator)
        values[biases].uniform_(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=generator)
    return values


def pixel_centres(height: int, width: int, *, device: torch.device) -> Tensor:
    """Coordinates (x, y) in [-1, 1] of all pixels, rows first: float32 ``(height * width, 2)``."""
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).flatten(0, 1)


def fit(
    network: Siren,
    images: Tensor,
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> Tensor:
    """Fit a network to each image with Adam and cosine decay.

    Args:
        images: uint8 ``(B, height, width, channels)``, all of one size; the result lives on their device.
        progress: called now and then with the fraction done.

    Returns:
        float32 ``(B, P)``: for each image the weights with the least error seen, judged on all its pixels.
    """
    batch, height, width, channels = images.shape
    xy = pixel_centres(height, width, device=images.device)
    targets = images.reshape(batch, -1, channels).float() / 255
    start = initial_parameters(network.widths, omega=network.omega, seed=seed).to(images.device)
    parameters = start.repeat(batch, 1).requires_grad_()
    optimizer = torch.optim.Adam([parameters], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=learning_rate / 100)
    generator = torch.Generator().manual_seed(seed)
    best, best_error = start.repeat(batch, 1), torch.full((batch,), math.inf, device=images.device)
    checks = {round(steps * part) for part in (0.5, 0.75, 0.9, 1.0)}
    for step in range(1, steps + 1):
        if len(xy) > _SAMPLED_PIXELS:
            pick = torch.randint(len(xy), (_SAMPLED_PIXELS,), generator=generator).to(xy.device)
            error = network.evaluate(parameters, xy[pick]) - targets[:, pick]
        else:
            error = network.evaluate(parameters, xy) - targets
        optimizer.zero_grad(set_to_none=True)
        # The sum over images keeps each image's gradient what it would be alone.
        error.square().mean((1, 2)).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step in checks:
            current = _squared_errors(network, parameters.detach(), targets, height, width)
            better = current < best_error
            best = torch.where(better[:, None], parameters.detach(), best)
            best_error = torch.where(better, current, best_error)
        progress(step / steps)
    return best


@torch.no_grad()
def _squared_errors(network: Siren, parameters: Tensor, targets: Tensor, height: int, width: int) -> Tensor:
    pixels = network.render(parameters, native=(height, width), lattice=(height, width))
    return (pixels.clamp(0, 1).flatten(2).mT - targets).square().mean((1, 2))


def by_size(network: Siren, images: Sequence[Image], *, device: torch.device) -> Iterator[tuple[list[int], Tensor]]:
    """Batches of images of one size that fit in memory together: positions and uint8 ``(B, height, width, 3)``."""
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for position, image in enumerate(images):
        groups[image.shape].append(position)
    for (height, width, _), positions in groups.items():
        points = min(height * width, _SAMPLED_PIXELS)
        batch = max(_BATCH_ACTIVATIONS // (points * sum(network.widths)), 1)
        for first in range(0, len(positions), batch):
            part = positions[first : first + batch]
            yield part, torch.from_numpy(np.stack([images[p] for p in part])).to(device)


def fit_images(
    network: Siren,
    images: Sequence[Image],
    *,
    steps: int,
    learning_rate: float,
    seed: int,
    device: torch.device,
    progress: Callable[[float], None],
) -> Tensor:
    """Fit images of any sizes: float32 ``(len(images), P)``.

    Args:
        progress: called with the images' worth of work done since its last call.
    """
    fitted = torch.empty((len(images), network.parameter_count), device=device)
    for positions, pixels in by_size(network, images, device=device):
        done = 0.0

        def report(fraction: float, count: int = len(positions)) -> None:
            nonlocal done
            progress((fraction - done) * count)
            done = fraction

        fitted[positions] = fit(
            network, pixels, steps=steps, learning_rate=learning_rate, seed=seed, progress=report
        )  # fmt: skip
    return fitted


def image_psnr_db(network: Siren, parameters: Tensor, images: Sequence[Image]) -> Tensor:
    """PSNR of the networks' images, before rounding to bytes: float32 ``(B,)``."""
    result = torch.empty(len(images), device=parameters.device)
    for positions, pixels in by_size(network, images, device=parameters.device):
        targets = pixels.flatten(1, 2).float() / 255
        result[positions] = -10 * _squared_errors(network, parameters[positions], targets, *pixels.shape[1:3]).log10()
    return result
