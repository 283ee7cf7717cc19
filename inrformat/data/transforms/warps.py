"""Rotations, affine and projective maps and elastic displacements in coordinates, with torchvision's distributions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

from inrformat.data.randomness import CounterGenerator
from inrformat.data.transforms.fused.operations import MIDDLE, Instruction, Operation
from inrformat.data.transforms.lifting import NotLiftable, State, Step, always, lifts, require_bilinear
from inrformat.decoding.canvas import Canvas
from inrformat.errors import GeometryError

__all__: list[str] = []


def _interpolation(transform: Any) -> str:
    """A note on the interpolation of a transform whose default, nearest, is torchvision's cheapest and not a wish."""
    if transform.interpolation in {InterpolationMode.NEAREST, "nearest", 0}:
        return "its interpolation, nearest, is not followed: networks are evaluated at the exact positions"
    require_bilinear(transform)
    return ""


def _center(transform: Any) -> tuple[float, float] | None:
    return None if transform.center is None else (float(transform.center[0]), float(transform.center[1]))


@lifts(v2.RandomRotation, v1.RandomRotation)
def _rotation(transform: Any, state: State) -> Step:
    note = _interpolation(transform)
    if transform.expand:
        raise NotLiftable("expand=True gives each sample a size of its own")
    fill, center = state.fill(transform), _center(transform)
    low, high = transform.degrees
    return Step(
        lambda canvas, generator: canvas.rotate(generator.uniform(low, high), center=center, fill=fill),
        note=note,
        instructions=always(Instruction(Operation.ROTATE, (low, high, *(center or (MIDDLE, MIDDLE))))),
    )


@lifts(v2.RandomAffine, v1.RandomAffine)
def _affine(transform: Any, state: State) -> Step:
    note = _interpolation(transform)
    fill, center = state.fill(transform), _center(transform)
    shift = transform.translate or (0.0, 0.0)
    scale = transform.scale or (1.0, 1.0)
    shear = [*(transform.shear or ()), 0.0, 0.0, 0.0, 0.0][:4]

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        degrees = generator.uniform(*transform.degrees)
        most = shift[0] * canvas.width, shift[1] * canvas.height
        x, y = (generator.uniform(-m, m).round() for m in most)
        size = generator.uniform(*scale)
        shears = generator.uniform(shear[0], shear[1]), generator.uniform(shear[2], shear[3])
        return canvas.affine(degrees, translate=(x, y), scale=size, shear=shears, center=center, fill=fill)

    settings = (*transform.degrees, *shift, *scale, *shear, *(center or (MIDDLE, MIDDLE)))
    return Step(apply, note=note, instructions=always(Instruction(Operation.AFFINE, settings)))


@lifts(v2.RandomPerspective, v1.RandomPerspective)
def _perspective(transform: Any, state: State) -> Step:
    require_bilinear(transform)
    fill = state.fill(transform)

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        start, end = _corners(canvas, generator, transform.distortion_scale)
        moved = generator.chance(transform.p)
        # A sample that is not moved keeps its frame: only its corners' edges would be seen differently otherwise.
        return canvas.perspective(start, end, fill=fill).where(moved, canvas)

    return Step(apply)


def _corners(canvas: Canvas, generator: CounterGenerator, distortion: float) -> tuple[Tensor, Tensor]:
    """The frame's corner pixels and where they go, (x, y), each float64 ``(B, 4, 2)``, as ``v2.RandomPerspective``."""
    width, height = canvas.width.long(), canvas.height.long()
    bound_x = (distortion * (width // 2)).long() + 1
    bound_y = (distortion * (height // 2)).long() + 1
    zero = torch.zeros_like(width)
    ends, starts = [], []
    for right, low in ((False, False), (True, False), (True, True), (False, True)):
        x = generator.integer(width - bound_x, width) if right else generator.integer(0, bound_x)
        y = generator.integer(height - bound_y, height) if low else generator.integer(0, bound_y)
        ends.append(torch.stack([x, y], dim=1))
        starts.append(torch.stack([width - 1 if right else zero, height - 1 if low else zero], dim=1))
    start, end = (torch.stack(c, dim=1).to(torch.float64) for c in (starts, ends))
    return start, end


@lifts(v2.ElasticTransform, v1.ElasticTransform)
def _elastic(transform: Any, state: State) -> Step:
    require_bilinear(transform)
    fill = state.fill(transform)
    alpha, sigma = ([float(v) for v in given] for given in (transform.alpha, transform.sigma))

    def apply(canvas: Canvas, generator: CounterGenerator) -> Canvas:
        if canvas.size is None:
            raise GeometryError("an elastic transform of samples that differ in size: resize or crop before it")
        height, width = canvas.size
        noise = generator.field(2 * height * width).view(-1, 2, height, width).mul_(2).sub_(1)
        displacement = torch.empty((len(canvas), height, width, 2), dtype=noise.dtype, device=noise.device)
        for axis in (0, 1):
            smoothed = _smoothed(noise[:, axis : axis + 1], sigma, axis)
            torch.mul(smoothed[:, 0], alpha[axis] / 2, out=displacement[..., axis])
        return canvas.displace(displacement, fill=fill)

    return Step(apply)


def _smoothed(noise: Tensor, sigma: list[float], axis: int) -> Tensor:
    """Noise ``(B, 1, height, width)`` blurred as ``v2.ElasticTransform`` does: the kernel's width follows one sigma."""
    if sigma[axis] <= 0:
        return noise
    side = int(8 * sigma[axis] + 1) | 1
    blurred: Tensor = F.gaussian_blur(noise, [side, side], sigma)
    return blurred
