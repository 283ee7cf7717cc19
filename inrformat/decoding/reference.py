"""The reference decoder: records to pixels under any geometry in plain torch (spec section 8). The normative one.

Aligned maps are treated one axis after the other: where an output pixel covers at most one source pixel the network is
evaluated at its centre; where it covers more, at the source pixels it covers, filtered with the antialiased triangle
of ``torchvision.transforms.v2.Resize``. Other maps are evaluated at a few offsets of each output pixel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from inrformat.decoding.float32_products import float32_products
from inrformat.decoding.geometry import Geometry, PaddingMode, fold
from inrformat.decoding.records import DeviceRecords
from inrformat.families.family import Network, SymbolDecoder
from inrformat.families.registry import family_of

__all__ = ["ReferenceBackend", "decode", "decode_gradient", "decode_views", "read_weights", "render"]


class ReferenceBackend(Protocol):
    """How a family's networks are read and evaluated in plain torch; a module of these names is one."""

    def read_weights(self, network: Network, decoder: SymbolDecoder, *, height: int, width: int) -> Any:
        """The weights of the decoder's records, in whatever form ``render`` takes: it can be indexed by image.

        ``decoder`` is the torch one; ``height`` and ``width`` are the native size of all its records, in pixels.
        """

    def render(self, network: Network, weights: Any, *, native: tuple[int, int], y: Tensor, x: Tensor) -> Tensor:
        """Evaluate at every crossing of rows ``y (R,)`` and columns ``x (S,)``, in native pixels, the same for all.

        Returns:
            ``(B, channels, R, S)`` of the weights' dtype, nominally in [0, 1], not clamped.
        """

    def sample(self, network: Network, weights: Any, xy: Tensor, *, native: tuple[int, int]) -> Tensor:
        """Evaluate at any positions ``xy (B, N, 2)``, (x, y) in native pixels; differentiable in weights and xy.

        Positions are taken in the weights' dtype.

        Returns:
            ``(B, channels, N)`` of the weights' dtype, nominally in [0, 1], not clamped.
        """


def decode(records: DeviceRecords, rows: Tensor, geometry: Geometry, *, dtype: torch.dtype = torch.float32) -> Tensor:
    """Decode a batch, whatever the networks and native sizes of its records.

    Args:
        rows: int64 ``(B,)``, which of ``records``, on the host or their device. geometry: of the same B samples.
        dtype: arithmetic of the evaluation, float32 or float64.

    Returns:
        ``(B, channels, height, width)`` of ``dtype``, nominally in [0, 1], not clamped, on the records' device.

    Raises:
        InvalidFileError: the symbols of a record do not add up.
    """
    return decode_views(records, rows, [geometry], dtype=dtype)[0]


@float32_products()
def decode_views(
    records: DeviceRecords, rows: Tensor, geometries: Sequence[Geometry], *, dtype: torch.dtype = torch.float32
) -> list[Tensor]:
    """What ``decode`` gives for each of ``geometries``, all of the same B samples, whose records are read once."""
    shapes = records.shapes[rows.to(records.device)].tolist()
    out = [
        torch.empty((len(rows), records.channels, *geometry.size), dtype=dtype, device=records.device)
        for geometry in geometries
    ]
    for (number, height, width), members in _grouped(shapes).items():
        network, native = records.networks[number], (height, width)
        weights = read_weights(network, records, rows[members], native=native)
        for place, member in enumerate(members):
            one = weights[place : place + 1]
            one = one.double() if dtype == torch.float64 else one
            for images, geometry in zip(out, geometries, strict=True):
                view = geometry[member : member + 1].to(records.device)
                images[member] = render(network, one, view, native=native)[0]
    return out


def read_weights(network: Network, records: DeviceRecords, rows: Tensor, *, native: tuple[int, int]) -> Any:
    """The weights of records of one network descriptor and one native (height, width), as ``network`` keeps them."""
    decoder = records.decoder(rows.to(records.device), lanes=network.lanes(height=native[0], width=native[1]))
    return _backend(network).read_weights(network, decoder, height=native[0], width=native[1])


@float32_products()
def render(network: Network, weights: Any, geometry: Geometry, *, native: tuple[int, int]) -> Tensor:
    """Evaluate B networks of one native (height, width) under the one map of ``geometry``, which holds one sample.

    Differentiable in the weights and, where the geometry is not aligned, in its matrices and displacement.

    Returns:
        ``(B, channels, height, width)`` of the weights' dtype, not clamped.
    """
    return (_render_aligned if geometry.aligned else _render_general)(network, weights, geometry, native)


@float32_products()
def decode_gradient(network: Network, weights: Any, xy: Tensor, *, native: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Analytic image gradients at any positions.

    Args:
        xy: ``(B, N, 2)``, (x, y) in native pixels, of the weights' dtype.

    Returns:
        df/dx and df/dy, each ``(B, channels, N)``, in colour units (range 0 to 1) per native pixel.
    """
    backend, along = _backend(network), []
    for axis in (0, 1):
        direction = torch.zeros_like(xy)
        direction[..., axis] = 1
        derivative = torch.func.jvp(
            lambda at: backend.sample(network, weights, at, native=native), (xy,), (direction,)
        )[1]
        along.append(derivative)
    return along[0], along[1]


def _backend(network: Network) -> ReferenceBackend:
    backend: ReferenceBackend = family_of(network).reference()
    return backend


def _grouped(shapes: list[list[int]]) -> dict[tuple[int, int, int], list[int]]:
    groups: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    for position, (number, height, width) in enumerate(shapes):
        groups[number, height, width].append(position)
    return groups


def _render_aligned(network: Network, weights: Any, geometry: Geometry, native: tuple[int, int]) -> Tensor:
    y, rows, coverage_y = _axis(geometry, 1)
    x, columns, coverage_x = _axis(geometry, 0)
    colours = _backend(network).render(network, weights, native=native, y=y, x=x)
    if rows is not None:
        colours = rows.to(colours) @ colours
    if columns is not None:
        colours = colours @ columns.to(colours).mT
    if geometry.padding_mode is not PaddingMode.CONSTANT:
        return colours
    fill = colours.new_tensor(geometry.fills(network.channels))[:, None, None]
    return fill + (colours - fill) * (coverage_y[:, None] * coverage_x).to(colours)


def _axis(geometry: Geometry, axis: int) -> tuple[Tensor, Tensor | None, Tensor]:
    """One axis of an aligned map, 0 for x.

    Returns:
        Positions to evaluate at, float32 ``(n,)`` in native pixels; the filter over them, ``(outputs, n)``, rows adding
        to 1, or None where each output pixel is one evaluation; the window's coverage of each, ``(outputs,)``.
    """
    scale, shift = geometry.matrices[0, axis, axis], geometry.matrices[0, axis, 2]
    low, high = geometry.windows[0, axis], geometry.windows[0, axis + 2]
    count = geometry.size[1 - axis]
    centres = scale * (torch.arange(count, device=scale.device) + 0.5) + shift
    span = float(scale.abs())
    feather = geometry.feather[0, axis]
    if not geometry.antialias or span <= 1 + 1e-6:
        return fold(centres, low, high, geometry.padding_mode).float(), None, _coverage(centres, low, high, feather)
    first, last = float(centres.min()) - span, float(centres.max()) + span
    if geometry.padding_mode in {PaddingMode.EXTEND, PaddingMode.CONSTANT}:
        first, last = max(first, float(low)), min(last, float(high))
    begin, end = np.ceil(first - 0.5), np.floor(last - 0.5) + 1
    lattice = torch.arange(begin, max(begin, end), device=scale.device) + 0.5  # none where only padding is seen
    weights = (1 - ((lattice - centres[:, None]) / span).abs()).clamp(min=0)
    # A pixel far outside the window weighs nothing, but must not divide by nothing.
    weights = weights / weights.sum(1, keepdim=True).clamp(min=1e-9)
    coverage = _coverage(centres, low, high, feather.clamp(min=span))
    return fold(lattice, low, high, geometry.padding_mode).float(), weights, coverage


def _coverage(position: Tensor, low: Tensor, high: Tensor, feather: Tensor) -> Tensor:
    """How much of what is seen at ``position`` the window covers: 1 inside, 0 outside, linear across the edge."""
    return (torch.minimum(position - low, high - position) / feather + 0.5).clamp(0, 1)


def _render_general(network: Network, weights: Any, geometry: Geometry, native: tuple[int, int]) -> Tensor:
    height, width = geometry.size
    dtype = geometry.matrices.dtype
    y, x = (torch.arange(n, device=geometry.matrices.device, dtype=dtype) + 0.5 for n in (height, width))
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # (height, width, 2)
    if geometry.displacement is not None:
        grid = grid + geometry.displacement[0]
    flat = grid.flatten(0, 1)
    taps = [(dx, dy, wx * wy) for dx, wx in _taps(geometry, 0) for dy, wy in _taps(geometry, 1)]
    colours = torch.stack(
        [w * _seen(network, weights, flat + flat.new_tensor([dx, dy]), geometry, native) for dx, dy, w in taps]
    ).sum(0)
    if geometry.padding_mode is PaddingMode.CONSTANT:
        (x, y), (low, high), soft = _source(flat, geometry), geometry.windows[0].reshape(2, 2), geometry.feather[0]
        coverage = _coverage(x, low[0], high[0], soft[0]) * _coverage(y, low[1], high[1], soft[1])
        fill = colours.new_tensor(geometry.fills(network.channels))[:, None]
        # torchvision weighs what it sampled by the mask of the window and then blends with that mask again.
        colours = fill + (coverage.to(colours) * colours - fill) * coverage.to(colours)
    return colours.reshape(*colours.shape[:2], height, width)


def _taps(geometry: Geometry, axis: int) -> list[tuple[float, float]]:
    """(offset in output pixels, weight) of each evaluation along an axis of the output."""
    counts, reach = geometry.taps()
    n = int(counts[0, axis])
    at = [(2 * k + 1) / n - 1 for k in range(n)]
    total = sum(1 - abs(a) for a in at)
    return [(a * float(reach[0, axis]), (1 - abs(a)) / total) for a in at]


def _source(position: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
    """Source x and y ``(N,)`` of output positions ``(N, 2)``."""
    x, y, w = (torch.cat([position, torch.ones_like(position[:, :1])], dim=1) @ geometry.matrices[0].T).unbind(1)
    return x / w, y / w


def _seen(network: Network, weights: Any, position: Tensor, geometry: Geometry, native: tuple[int, int]) -> Tensor:
    """Colours at output positions ``(N, 2)``, brought into the window: ``(B, channels, N)``."""
    (x, y), (low, high) = _source(position, geometry), geometry.windows[0].reshape(2, 2)
    xy = torch.stack(
        [fold(x, low[0], high[0], geometry.padding_mode), fold(y, low[1], high[1], geometry.padding_mode)], dim=1
    )
    return _backend(network).sample(network, weights, xy.expand(len(weights), -1, -1), native=native)
