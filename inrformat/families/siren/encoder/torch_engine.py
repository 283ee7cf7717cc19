"""The engine in torch: many images in lockstep on one device, a finished one's place taken by the next.

Every image of a batch sees the same number of pixels per step, whatever its size; the batch is as large as the device's
memory allows. On CUDA matrix products run in TF32 (float32 range, 11 bits of mantissa) with float32 sums, weights,
activations and optimizer state: sin(30 z) does not survive bfloat16 phases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.engine import AdamConfig, Fit, Initialization, OnFit, Shape, ignore_fits
from inrformat.families.siren.encoder.gradient import errors_and_gradients
from inrformat.families.siren.encoder.training_points import MAX_POINTS, pixel_order, points, shuffled_colours

__all__ = ["MemoryBudget", "TorchEngine"]

_CPU_BYTES = 1 << 28
_EVALUATIONS = 20
_PIXEL_BYTES = 4 * 5  # coordinates and colours


@dataclass(slots=True, eq=False)
class _Slots:
    """State of the images in work, one row each.

    ``pixels (B, inputs + channels, M)`` holds coordinates and colours, of which row b uses the first ``counts[b]``
    for each of its ``point_grids[b]``.
    """

    image: list[int]
    pixels: Tensor
    counts: Tensor
    point_grids: Tensor
    latent: Tensor
    quantization_steps: Tensor
    mask: Tensor
    target: Tensor
    m: Tensor
    v: Tensor
    iteration: Tensor
    best: Tensor
    best_mse: Tensor


class TorchEngine:
    """Fits on ``device`` in plain torch, and with the fused Triton kernel where CUDA and Triton are there."""

    def __init__(self, device: torch.device, *, slots: int | None = None, memory_bytes: int | None = None) -> None:
        """Prepare to fit.

        Args:
            slots: images in work at once; None: as many as memory allows. memory_bytes: to use; None: on CUDA, half of
                what is free. Of an image whose pixels or activations alone exceed it, each step sees fewer pixels, and
                the fit a sample of them.
        """
        self._device = device
        self._slots = slots
        self._memory_bytes = memory_bytes

    def fit(
        self,
        shape: Shape,
        images: Sequence[Image],
        initialization: Initialization,
        adam: AdamConfig,
        *,
        on_fit: OnFit = ignore_fits,
    ) -> Fit:
        """See ``Engine.fit``."""
        memory = MemoryBudget(self._budget_bytes())
        fitting = _Fitting(
            device=self._device,
            shape=shape,
            images=images,
            initialization=initialization,
            adam=memory.limited(adam, shape),
            most_points=memory.most_points,
            result=_no_fits(*initialization.differences.shape),
            on_fit=on_fit,
        )
        # Large images first: the pixel buffers of a batch are as long as its largest image.
        queue = sorted(range(len(images)), key=lambda i: -images[i].shape[0] * images[i].shape[1])
        while queue:
            count = self._slots or memory.slots(shape, fitting.adam, points=fitting.points(queue[0]))
            queue = fitting.run(queue[:count], queue[count:])
        return fitting.result

    def _budget_bytes(self) -> int:
        if self._memory_bytes is not None:
            return self._memory_bytes
        return _CPU_BYTES if self._device.type == "cpu" else int(torch.cuda.mem_get_info(self._device)[0]) // 2


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """Bytes of a device that fits may take, and what goes into them."""

    budget_bytes: int

    @property
    def most_points(self) -> int:
        """Points of one image, at most."""
        return min(MAX_POINTS, max(self.budget_bytes // (4 * _PIXEL_BYTES), 1))

    def limited(self, adam: AdamConfig, shape: Shape) -> AdamConfig:
        """``adam`` with no more pixels per step than whose activations there is room for."""
        activations = 4 * 3 * sum(shape.widths)  # of one pixel
        return replace(adam, pixels_per_step=min(adam.pixels_per_step, max(self.budget_bytes // (2 * activations), 1)))

    def slots(self, shape: Shape, adam: AdamConfig, *, points: int) -> int:
        """Images at once, of which the largest has that many points."""
        seen = min(adam.pixels_per_step, points)
        parameters = sum((a + 1) * b for a, b in pairwise(shape.widths))
        needed = 4 * (3 * sum(shape.widths) * seen + 10 * parameters) + _PIXEL_BYTES * points
        return max(self.budget_bytes // needed, 1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fitting:
    """One call of ``TorchEngine.fit``: what it was given, and the result that is filled image by image."""

    device: torch.device
    shape: Shape
    images: Sequence[Image]
    initialization: Initialization
    adam: AdamConfig
    most_points: int
    result: Fit
    on_fit: OnFit

    def points(self, i: int) -> int:
        """Points of image ``i`` that take part."""
        height, width = self.images[i].shape[:2]
        pixels, point_grids = points(height, width, self.adam, at_most=self.most_points)
        return pixels * point_grids

    def run(self, chosen: list[int], queue: list[int]) -> list[int]:
        """Fit ``chosen`` and what takes their places; returns what is left of the queue where it cannot go on."""
        slots = self._loaded(chosen)
        every = max(self.adam.steps // _EVALUATIONS, 1)
        origin = self._sent(self.initialization.origin)
        gradient = torch.zeros_like(slots.latent)
        tick = 0
        while any(i >= 0 for i in slots.image):
            while tick % every == 0:
                self._judge(slots, origin)
                finished = self._finished(slots)
                for row in finished:
                    self.on_fit(1.0)
                    if queue and self.points(queue[0]) <= slots.pixels.shape[2]:
                        self._load(slots, row, queue[0])
                        queue = queue[1:]
                if self.adam.steps or not finished:
                    break
            if all(i < 0 for i in slots.image):
                break
            difference = _rounded(slots.latent, slots.quantization_steps)
            xy, colours, weights = _sampled(slots, self.shape.widths[0], self.adam)
            _gradients(self.shape, origin + difference, xy, colours, weights, gradient=gradient)
            _adam(slots, gradient, self.adam)
            tick += 1
        return queue

    def _loaded(self, chosen: list[int]) -> _Slots:
        """Slots with the images ``chosen``, whose first is the largest."""
        rows, parameters = len(chosen), self.initialization.differences.shape[1]

        def zeros(*size: int) -> Tensor:
            return torch.zeros(size, device=self.device)

        latent, quantization_steps, mask, m, v, best = (zeros(rows, parameters) for _ in range(6))
        slots = _Slots(
            image=[-1] * rows,
            pixels=zeros(rows, self.shape.widths[0] + self.shape.widths[-1], self.points(chosen[0])),
            counts=zeros(rows).long() + 1,
            point_grids=zeros(rows).long() + 1,
            latent=latent,
            quantization_steps=quantization_steps,
            mask=mask,
            target=zeros(rows),
            m=m,
            v=v,
            iteration=zeros(rows),
            best=best,
            best_mse=zeros(rows) + math.inf,
        )
        for row, i in enumerate(chosen):
            self._load(slots, row, i)
        return slots

    def _load(self, slots: _Slots, row: int, i: int) -> None:
        """Begin the fit of image ``i`` in a slot."""
        image, start = self.images[i], self.initialization
        order = pixel_order(image.shape[0], image.shape[1], self.adam, at_most=self.most_points)
        both = np.concatenate([order.xy, shuffled_colours(image, order)])
        slots.image[row] = i
        slots.pixels[row, :, : both.shape[1]] = self._sent(both)
        slots.counts[row], slots.point_grids[row] = order.pixels, order.point_grids
        steps = start.quantization_steps
        slots.quantization_steps[row] = 0 if steps is None else self._sent(steps[i])
        slots.mask[row] = 1 if start.mask is None else self._sent(start.mask[i])
        slots.latent[row] = self._sent(start.differences[i]) * slots.mask[row]
        slots.target[row] = 0 if start.target_mse is None else float(start.target_mse[i])
        slots.m[row], slots.v[row], slots.iteration[row], slots.best[row] = 0, 0, 0, 0
        slots.best_mse[row] = math.inf

    def _sent(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(array).to(self.device)

    def _judge(self, slots: _Slots, origin: Tensor) -> None:
        """Measure all networks on all their pixels and remember the best of each."""
        difference = _rounded(slots.latent, slots.quantization_steps)
        mse = torch.zeros_like(slots.best_mse)
        inputs, width = self.shape.widths[0], min(self.adam.pixels_per_step, slots.pixels.shape[2])
        for first in range(0, int(slots.counts.max()), width):
            part = slots.pixels[:, :, first : first + width]
            place = torch.arange(first, first + part.shape[2], device=self.device)
            weights = ((place < slots.counts[:, None]) / slots.counts[:, None]).float()[:, None]
            mse += errors_and_gradients(
                self.shape, origin + difference, part[:, :inputs], part[:, inputs:], weights, gradient=None
            )
        better = mse < slots.best_mse
        slots.best = torch.where(better[:, None], difference, slots.best)
        slots.best_mse = torch.where(better, mse, slots.best_mse)
        # A loss that is not finite ends the fit: no later step can come back from it.
        slots.iteration = torch.where(torch.isfinite(mse), slots.iteration, -slots.iteration - 1)

    def _finished(self, slots: _Slots) -> list[int]:
        """Hand over networks that are done and empty their slots; returns the slots."""
        steps = slots.iteration.cpu().numpy()
        best = slots.best_mse.double().cpu().numpy()
        done = (steps >= self.adam.steps) | (steps < 0) | (slots.best_mse <= slots.target).cpu().numpy()
        rows = [row for row in np.flatnonzero(done).tolist() if slots.image[row] >= 0]
        for row in rows:
            i, slots.image[row] = slots.image[row], -1
            self.result.differences[i] = slots.best[row].cpu().numpy()
            self.result.mse[i], self.result.diverged[i] = best[row], steps[row] < 0
            self.result.steps[i] = int(steps[row] if steps[row] >= 0 else -steps[row] - 1)
        return rows


def _no_fits(count: int, parameters: int) -> Fit:
    """A result to be filled."""
    return Fit(
        np.zeros((count, parameters), np.float32),
        np.full(count, math.inf),
        np.zeros(count, np.int64),
        np.zeros(count, bool),
    )


def _gradients(
    shape: Shape, parameters: Tensor, xy: Tensor, colours: Tensor, weights: Tensor, *, gradient: Tensor
) -> None:
    """See ``gradient.py``; by the fused kernel where it runs."""
    if parameters.is_cuda:
        from inrformat.families.siren.encoder import triton_kernel

        if triton_kernel.supports(shape):
            triton_kernel.errors_and_gradients(shape, parameters, xy, colours, weights, gradient=gradient)
            return
    errors_and_gradients(shape, parameters, xy, colours, weights, gradient=gradient)


def _rounded(latent: Tensor, quantization_steps: Tensor) -> Tensor:
    divisors = torch.where(quantization_steps > 0, quantization_steps, torch.ones_like(quantization_steps))
    return torch.where(quantization_steps > 0, (latent / divisors).round() * divisors, latent)


def _sampled(slots: _Slots, inputs: int, adam: AdamConfig) -> tuple[Tensor, Tensor, Tensor]:
    """The points of this step: coordinates, colours and weights, each ``(B, ., n)``."""
    n = min(adam.pixels_per_step, slots.pixels.shape[2])
    run = torch.arange(n, device=slots.counts.device)
    counts, kinds = slots.counts[:, None], slots.point_grids[:, None]
    seen, step = counts.clamp(max=n), slots.iteration.long().clamp(min=0)[:, None]
    # Of one point grid after the other, and each far from the last: see ``numba_kernel.fit_image``.
    first = (step // kinds * n + step % kinds * counts // kinds) * (counts > n)
    place = step % kinds * counts + (first + run) % counts
    part = slots.pixels.gather(2, place[:, None].expand(-1, slots.pixels.shape[1], -1))
    weights = ((run < seen) / seen).float()[:, None]
    return part[:, :inputs], part[:, inputs:], weights


def _adam(slots: _Slots, gradient: Tensor, adam: AdamConfig) -> None:
    """One step of every image, each at its own place in the cosine schedule."""
    slots.iteration += slots.iteration >= 0
    t = slots.iteration.clamp(min=1)[:, None].double()
    progress = ((t - 1) / max(adam.steps, 1)).clamp(max=1)
    cosine = adam.floor + (1 - adam.floor) * 0.5 * (1 + torch.cos(math.pi * progress))
    rate = (adam.learning_rate * cosine / (1 - 0.9**t)).float()
    correction = (1 / (1 - 0.999**t)).float()
    g = gradient * slots.mask
    slots.m.mul_(0.9).add_(g, alpha=0.1)
    slots.v.mul_(0.999).addcmul_(g, g, value=0.001)
    slots.latent -= rate * slots.m / ((slots.v * correction).sqrt() + 1e-8)
