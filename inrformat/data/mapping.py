"""Boxes, masks and keypoints through the same maps as their image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torchvision import tv_tensors

from inrformat.decoding.geometry import Geometry, PaddingMode, fold
from inrformat.decoding.same_size import SameSize

__all__ = ["mapped", "mapped_batch"]

_KeyPoints = getattr(tv_tensors, "KeyPoints", None)  # of torchvision 0.23 and later


def mapped(target: Any, geometry: Geometry) -> Any:
    """``target`` with every tv_tensor in it taken from the source image to the output of ``geometry``, one sample.

    Boxes become the upright boxes of their mapped corners, cut to what can be seen; a box out of view has no area
    (``v2.SanitizeBoundingBoxes`` removes it). Masks are read at the nearest pixel, 0 outside. Everything else in
    ``target`` stays.
    """
    return pytree.tree_map(lambda leaf: _mapped_leaf(leaf, geometry), target)


def mapped_batch(targets: Sequence[Any], groups: Sequence[SameSize]) -> list[Any]:
    """Targets in native pixels, taken through the geometry of their images."""
    moved = list(targets)
    for group in groups:
        geometry = group.geometry.to("cpu")
        for k, place in enumerate(group.places.tolist()):
            moved[place] = mapped(targets[place], geometry[k : k + 1])
    return moved


def _mapped_leaf(leaf: Any, geometry: Geometry) -> Any:
    if isinstance(leaf, tv_tensors.BoundingBoxes):
        boxes = _boxes(leaf.as_subclass(Tensor), geometry)
        return tv_tensors.BoundingBoxes(boxes.to(leaf.dtype), format=leaf.format, canvas_size=geometry.size)
    if isinstance(leaf, tv_tensors.Mask):
        return tv_tensors.Mask(_mask(leaf.as_subclass(Tensor), geometry))
    if _KeyPoints is not None and isinstance(leaf, _KeyPoints):
        xy = _points(leaf.as_subclass(Tensor).reshape(-1, 2).double(), geometry).reshape(leaf.shape)
        return _KeyPoints(xy.to(leaf.dtype), canvas_size=geometry.size)
    return leaf


def _points(xy: Tensor, geometry: Geometry) -> Tensor:
    """Where source positions ``(N, 2)`` of (x, y) in pixels come to lie in the output, float64."""
    inverse = torch.linalg.inv(geometry.matrices[0])
    out = torch.cat([xy, torch.ones_like(xy[:, :1])], dim=1) @ inverse.T
    out = out[:, :2] / out[:, 2:]
    if geometry.displacement is not None:
        height, width = geometry.size
        column, row = out[:, 0].long().clamp(0, width - 1), out[:, 1].long().clamp(0, height - 1)
        # To first order: the displacement changes little over its own length (as torchvision takes it).
        out = out - geometry.displacement[0, row, column]
    moved: Tensor = out
    return moved


def _boxes(xyxy: Tensor, geometry: Geometry) -> Tensor:
    window = geometry.windows[0]
    seen = torch.minimum(torch.maximum(xyxy.double(), window[:2].repeat(2)), window[2:].repeat(2))
    corners = seen[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2)
    out = _points(corners, geometry).reshape(-1, 4, 2)
    height, width = geometry.size
    low, high = out.amin(1), out.amax(1)
    edges = torch.tensor([width, height] * 2, dtype=out.dtype, device=out.device)
    return torch.minimum(torch.cat([low, high], dim=1).clamp(min=0), edges)


def _mask(mask: Tensor, geometry: Geometry) -> Tensor:
    """Masks ``(..., height, width)`` at the source pixels that hold the output's pixel centres."""
    height, width = geometry.size
    device = geometry.matrices.device
    y, x = (torch.arange(n, device=device, dtype=torch.float64) + 0.5 for n in (height, width))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    if geometry.displacement is not None:
        grid = grid + geometry.displacement[0]
    out = torch.cat([grid, torch.ones_like(grid[..., :1])], dim=-1) @ geometry.matrices[0].T
    position = out[..., :2] / out[..., 2:]
    window, extent = geometry.windows[0], (mask.shape[-1], mask.shape[-2])
    picked, inside = [], torch.ones((height, width), dtype=torch.bool, device=device)
    for axis in (0, 1):
        at, low, high = position[..., axis], window[axis], window[axis + 2]
        inside &= (at >= low) & (at <= high)
        picked.append(fold(at, low, high, geometry.padding_mode).floor().long().clamp(0, extent[axis] - 1))
    sampled = mask[..., picked[1], picked[0]]
    return sampled.mul(inside.to(sampled.dtype)) if geometry.padding_mode is PaddingMode.CONSTANT else sampled
