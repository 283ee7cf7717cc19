"""The engine in torch: many images in lockstep on one device, a finished one's place taken by the next.

Every image of a batch sees the same number of pixels a step, whatever its size; the batch is as large as the device's
memory allows. On CUDA matrix products run in TF32 (float32 range, 11 bits of mantissa) with float32 sums, weights,
activations and optimizer state: sin(30 z) does not survive bfloat16 phases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from inrformat.encoding.record import Image
from inrformat.families.siren.encoder.engine import AdamConfig, Fit, Initialization, OnFit, Shape, ignore_fits
from inrformat.families.siren.encoder.gradient import errors_and_gradients
from inrformat.families.siren.encoder.training_points import MAX_POINTS, pixel_order, points, shuffled_colours

__all__ = ["TorchEngine"]

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
        self._most_points: int = MAX_POINTS

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
        count, parameters = initialization.differences.shape
        result = Fit(
            np.zeros((count, parameters), np.float32),
            np.full(count, math.inf),
            np.zeros(count, np.int64),
            np.zeros(count, bool),
        )
        budget = self._budget_bytes()
        activations = 4 * 3 * sum(shape.widths)  # of one pixel
        adam = replace(adam, pixels_per_step=min(adam.pixels_per_step, max(budget // (2 * activations), 1)))
        self._most_points = min(MAX_POINTS, max(budget // (4 * _PIXEL_BYTES), 1))
        # Large images first: the pixel buffers of a batch are as long as its largest image.
        queue = sorted(range(count), key=lambda i: -images[i].shape[0] * images[i].shape[1])
        while queue:
            largest = self._points(images[queue[0]], adam)
            width = min(self._capacity(shape, largest, adam, budget=budget), len(queue))
            now, queue = queue[:width], queue[width:]
            slots = self._empty(shape, len(now), largest, parameters)
            for row, i in enumerate(now):
                self._load(slots, row, image=images[i], number=i, initialization=initialization, adam=adam)
            queue = self._run(
                shape, images, initialization, adam, slots=slots, queue=queue, result=result, on_fit=on_fit
            )
        return result

    def _budget_bytes(self) -> int:
        if self._memory_bytes is not None:
            return self._memory_bytes
        return _CPU_BYTES if self._device.type == "cpu" else int(torch.cuda.mem_get_info(self._device)[0]) // 2

    def _capacity(self, shape: Shape, largest: int, adam: AdamConfig, *, budget: int) -> int:
        """Images at once, of which the ``largest`` has that many points."""
        if self._slots is not None:
            return self._slots
        seen = min(adam.pixels_per_step, largest)
        parameters = sum((a + 1) * b for a, b in zip(shape.widths, shape.widths[1:], strict=False))
        needed = 4 * (3 * sum(shape.widths) * seen + 10 * parameters) + _PIXEL_BYTES * largest
        return max(int(budget // needed), 1)

    def _points(self, image: Image, adam: AdamConfig) -> int:
        pixels, point_grids = points(image.shape[0], image.shape[1], adam, at_most=self._most_points)
        return pixels * point_grids

    def _empty(self, shape: Shape, rows: int, points: int, parameters: int) -> _Slots:
        def zeros(*size: int) -> Tensor:
            return torch.zeros(size, device=self._device)

        state = [zeros(rows, parameters) for _ in range(6)]
        return _Slots(
            image=[-1] * rows,
            pixels=zeros(rows, shape.widths[0] + shape.widths[-1], points),
            counts=zeros(rows).long() + 1,
            point_grids=zeros(rows).long() + 1,
            latent=state[0],
            quantization_steps=state[1],
            mask=state[2],
            target=zeros(rows),
            m=state[3],
            v=state[4],
            iteration=zeros(rows),
            best=state[5],
            best_mse=zeros(rows) + math.inf,
        )

    def _load(
        self, slots: _Slots, row: int, *, image: Image, number: int, initialization: Initialization, adam: AdamConfig
    ) -> None:
        i = number
        order = pixel_order(image.shape[0], image.shape[1], adam, at_most=self._most_points)
        both = np.concatenate([order.xy, shuffled_colours(image, order)])
        slots.image[row] = i
        slots.pixels[row, :, : both.shape[1]] = torch.from_numpy(both).to(self._device)
        slots.counts[row], slots.point_grids[row] = order.pixels, order.point_grids
        slots.quantization_steps[row] = (
            0
            if initialization.quantization_steps is None
            else torch.from_numpy(initialization.quantization_steps[i]).to(self._device)
        )
        slots.mask[row] = (
            1 if initialization.mask is None else torch.from_numpy(initialization.mask[i]).to(self._device)
        )
        slots.latent[row] = torch.from_numpy(initialization.differences[i]).to(self._device) * slots.mask[row]
        slots.target[row] = 0 if initialization.target_mse is None else float(initialization.target_mse[i])
        slots.m[row], slots.v[row], slots.iteration[row], slots.best[row] = 0, 0, 0, 0
        slots.best_mse[row] = math.inf

    def _run(
        self,
        shape: Shape,
        images: Sequence[Image],
        initialization: Initialization,
        adam: AdamConfig,
        *,
        slots: _Slots,
        queue: list[int],
        result: Fit,
        on_fit: OnFit,
    ) -> list[int]:
        """Work until every slot is empty or the queue cannot fill it; returns what is left of the queue."""
        origin = torch.from_numpy(initialization.origin).to(self._device)
        every = max(adam.steps // _EVALUATIONS, 1)
        gradient = torch.zeros_like(slots.latent)
        tick = 0
        while any(i >= 0 for i in slots.image):
            while tick % every == 0:
                self._judge(shape, slots, origin, adam)
                finished = self._finished(slots, adam, result)
                for row in finished:
                    on_fit(1.0)
                    if queue and self._points(images[queue[0]], adam) <= slots.pixels.shape[2]:
                        i = queue.pop(0)
                        self._load(slots, row, image=images[i], number=i, initialization=initialization, adam=adam)
                if adam.steps or not finished:
                    break
            if all(i < 0 for i in slots.image):
                break
            difference = _rounded(slots.latent, slots.quantization_steps)
            xy, colours, weights = _sampled(slots, shape.widths[0], adam)
            self._gradients(shape, origin + difference, xy, colours, weights, gradient=gradient)
            _adam(slots, gradient, adam)
            tick += 1
        return queue

    @staticmethod
    def _gradients(
        shape: Shape, parameters: Tensor, xy: Tensor, colours: Tensor, weights: Tensor, *, gradient: Tensor
    ) -> None:
        if parameters.is_cuda:
            from inrformat.families.siren.encoder import triton_kernel

            if triton_kernel.supports(shape):
                triton_kernel.errors_and_gradients(shape, parameters, xy, colours, weights, gradient=gradient)
                return
        errors_and_gradients(shape, parameters, xy, colours, weights, gradient=gradient)

    def _judge(self, shape: Shape, slots: _Slots, origin: Tensor, adam: AdamConfig) -> None:
        """Measure all networks on all their pixels and remember the best of each."""
        difference = _rounded(slots.latent, slots.quantization_steps)
        mse = torch.zeros_like(slots.best_mse)
        inputs, width = shape.widths[0], min(adam.pixels_per_step, slots.pixels.shape[2])
        for first in range(0, int(slots.counts.max()), width):
            part = slots.pixels[:, :, first : first + width]
            place = torch.arange(first, first + part.shape[2], device=self._device)
            weights = ((place < slots.counts[:, None]) / slots.counts[:, None]).float()[:, None]
            mse += errors_and_gradients(
                shape, origin + difference, part[:, :inputs], part[:, inputs:], weights, gradient=None
            )
        better = mse < slots.best_mse
        slots.best = torch.where(better[:, None], difference, slots.best)
        slots.best_mse = torch.where(better, mse, slots.best_mse)
        # A loss that is not finite ends the fit: no later step can come back from it.
        slots.iteration = torch.where(torch.isfinite(mse), slots.iteration, -slots.iteration - 1)

    def _finished(self, slots: _Slots, adam: AdamConfig, result: Fit) -> list[int]:
        """Hand over networks that are done and empty their slots; returns the slots."""
        steps = slots.iteration.cpu().numpy()
        best = slots.best_mse.double().cpu().numpy()
        done = (steps >= adam.steps) | (steps < 0) | (slots.best_mse <= slots.target).cpu().numpy()
        rows = [row for row in np.flatnonzero(done).tolist() if slots.image[row] >= 0]
        for row in rows:
            i, slots.image[row] = slots.image[row], -1
            result.differences[i] = slots.best[row].cpu().numpy()
            result.mse[i], result.diverged[i] = best[row], steps[row] < 0
            result.steps[i] = int(steps[row] if steps[row] >= 0 else -steps[row] - 1)
        return rows


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
