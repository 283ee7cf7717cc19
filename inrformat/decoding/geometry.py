"""Where each output pixel of a batch looks in its source image (spec section 8.2).

A `Geometry` holds one map per sample, from output pixel centres to source coordinates, both in pixels with centres at
half integers (torchvision's ``align_corners=False``): a 3x3 matrix on (x, y, 1), which says affine and projective maps,
with an optional displacement of the output position before it. How large a piece of the source an output pixel covers,
its footprint, follows from the map; decoders filter by it. ``canvas.py`` builds geometries out of torchvision's steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor

from inrformat.container.layout import MAX_SIDE
from inrformat.decoding.transfer import sent
from inrformat.errors import GeometryError

__all__ = ["LEAST_SHRINKING", "MAX_OUTPUT_SIDE", "MAX_TAPS", "PACKED", "Geometry", "PaddingMode", "fold"]

MAX_OUTPUT_SIDE = MAX_SIDE
MAX_TAPS = 64
"""Evaluations along one output axis of a map that is not aligned: it filters minifications up to 1 / 32."""
LEAST_SHRINKING = 1.001
"""Source pixels to an output pixel from which a map filters: less is rounding, not minification."""
PACKED = 16
"""Numbers per sample in ``Geometry.packed``."""
_LARGEST = 1 << 40  # in a matrix: counts that follow from it stay whole numbers


class PaddingMode(IntEnum):
    """What is seen outside the window, by torchvision's names of padding modes where it has one."""

    EXTEND = 0
    """Nothing outside is in view; positions that rounding put there are moved to the window's edge."""
    CONSTANT = 1
    EDGE = 2
    REFLECT = 3
    SYMMETRIC = 4


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """Maps of a batch of B samples to one output size.

    Attributes:
        size: (height, width) of the output in pixels.
        matrices: float ``(B, 3, 3)``: source (x w, y w, w) of output (x, y, 1), in pixels.
        windows: float ``(B, 4)``: left, top, right, bottom of what can be seen, in source pixels.
        feather: float ``(B, 2)``: source pixels, along x and y, over which the window's edge fades out.
        aligned: every matrix only scales, flips and shifts, so that decoders may treat one axis after the other.
        padding_mode: what is seen outside the window. fill: the colour there, in [0, 1], for each channel or all.
        displacement: float ``(B, height, width, 2)``: (x, y) in output pixels, added to the output position.
        antialias: filter by the footprint; False evaluates at points.
    """

    size: tuple[int, int]
    matrices: Tensor
    windows: Tensor
    feather: Tensor
    aligned: bool
    padding_mode: PaddingMode = PaddingMode.EXTEND
    fill: tuple[float, ...] = (0.0,)
    displacement: Tensor | None = None
    antialias: bool = True

    def __post_init__(self) -> None:
        check_size(self.size)
        batch = len(self.matrices)
        expected: dict[str, tuple[int, ...]] = {
            "matrices": (batch, 3, 3),
            "windows": (batch, 4),
            "feather": (batch, 2),
        }
        for name, shape in expected.items():
            if tuple(getattr(self, name).shape) != shape:
                raise GeometryError(f"geometry: {name} has shape {tuple(getattr(self, name).shape)}, expected {shape}")
        if self.displacement is not None:
            if tuple(self.displacement.shape) != (batch, *self.size, 2):
                raise GeometryError(
                    f"geometry: displacement of {tuple(self.displacement.shape)}, expected {(batch, *self.size, 2)}"
                )
            if self.aligned:
                raise GeometryError("geometry: a displaced map is not aligned")

    @classmethod
    def of(
        cls,
        matrices: Tensor | Sequence[Any],
        *,
        native: Tensor | Sequence[Any],
        size: tuple[int, int],
        padding_mode: PaddingMode = PaddingMode.EDGE,
        fill: tuple[float, ...] = (0.0,),
        displacement: Tensor | None = None,
        antialias: bool = True,
    ) -> Geometry:
        """Check maps from outside the package; this reads them once, so do it before the training loop.

        Args:
            matrices: ``(B, 2, 3)`` or ``(B, 3, 3)``, source pixels from output pixels.
            native: ``(B, 2)`` height and width of each source image in pixels.

        Raises:
            GeometryError: a number is not finite, a matrix cannot be inverted, a map sees points at infinity.
        """
        maps = torch.as_tensor(matrices, dtype=torch.float64)
        sizes = torch.as_tensor(native, dtype=torch.float64, device=maps.device)
        if maps.ndim != 3 or maps.shape[1:] not in {(2, 3), (3, 3)} or sizes.shape != (len(maps), 2):
            shapes = f"matrices of {tuple(maps.shape)}, native sizes of {tuple(sizes.shape)}"
            raise GeometryError(f"geometry: {shapes}; expected (B, 2, 3) or (B, 3, 3), and (B, 2)")
        if maps.shape[1] == 2:
            maps = torch.cat([maps, maps.new_tensor([0, 0, 1]).expand(len(maps), 1, 3)], dim=1)
        check_size(size)
        _check_maps(maps, sizes, size)
        if displacement is not None and not bool(displacement.isfinite().all()):
            raise GeometryError("geometry: displacement holds numbers that are not finite")
        off_diagonal = maps[:, [0, 1, 2, 2], [1, 0, 0, 1]]
        return cls(
            size=size,
            matrices=maps,
            windows=torch.cat([torch.zeros_like(sizes), sizes.flip(1)], dim=1),
            feather=torch.ones_like(sizes),
            aligned=displacement is None and not bool(off_diagonal.any()),
            padding_mode=padding_mode,
            fill=fill,
            displacement=displacement,
            antialias=antialias,
        )

    def __len__(self) -> int:
        return len(self.matrices)

    def to(self, device: torch.device | str) -> Geometry:
        """The same on ``device``; what is sent to a CUDA device from the host waits for nothing."""
        to = torch.device(device)
        return replace(
            self,
            matrices=sent(self.matrices, to),
            windows=sent(self.windows, to),
            feather=sent(self.feather, to),
            displacement=None if self.displacement is None else sent(self.displacement, to),
        )

    def __getitem__(self, samples: slice | Tensor) -> Geometry:
        """Some of the samples: a slice, or their numbers as int64 ``(n,)``."""
        if isinstance(samples, slice) and samples.indices(len(self)) == (0, len(self), 1):
            return self
        return replace(
            self,
            matrices=self.matrices[samples],
            windows=self.windows[samples],
            feather=self.feather[samples],
            displacement=None if self.displacement is None else self.displacement[samples],
        )

    def fills(self, channels: int) -> tuple[float, ...]:
        """The fill colour of each of ``channels``."""
        if len(self.fill) not in {1, channels}:
            raise GeometryError(f"geometry: a fill of {len(self.fill)} numbers for images of {channels} channels")
        return self.fill if len(self.fill) == channels else self.fill * channels

    def footprints(self) -> Tensor:
        """Source pixels an output pixel spans along the output's x and y: ``(B, 2)``, the most over its corners.

        A displacement does not count: it moves output positions by little against their distance.
        """
        height, width = self.size
        m = self.matrices
        # Numbers, not a tensor of them: that would be a copy from the host.
        corners = [
            m[:, :, 0] * x + m[:, :, 1] * y + m[:, :, 2] for y in (0.5, height - 0.5) for x in (0.5, width - 0.5)
        ]
        x, y, w = torch.stack(corners, dim=2).unbind(1)  # (B, 4)
        spans = []
        for axis in (0, 1):
            dx, dy, dw = self.matrices[:, :, axis].unsqueeze(2).unbind(1)  # (B, 1)
            spans.append(torch.hypot((dx * w - x * dw) / w**2, (dy * w - y * dw) / w**2).amax(1))
        return torch.stack(spans, dim=1)

    def taps(self) -> tuple[Tensor, Tensor]:
        """Filter of a map that is not aligned, along the output's x and y.

        The network is band-limited to its own pixels already; a triangle of half width sqrt(s**2 - 1) source pixels
        widens that to a footprint of s.

        Returns:
            Evaluations along each axis, float ``(B, 2)``, whole numbers 1..64, and half widths in output pixels,
            float ``(B, 2)``. Evaluation k of n lies at offset ((2 k + 1) / n - 1) * half width and weighs
            1 - |(2 k + 1) / n - 1|, normalised.
        """
        spans = self.footprints()
        reach = ((spans**2 - 1).clamp(min=0).sqrt()) * (spans > LEAST_SHRINKING) * self.antialias
        counts = (2 * reach.ceil()).clamp(1, MAX_TAPS)
        return counts, reach / spans.clamp(min=1)

    def packed(self) -> Tensor:
        """What kernels read: float32 ``(B, 16)``: matrix row by row, window, feather, 0."""
        zero = self.matrices.new_zeros((len(self), 1))
        parts = [self.matrices.flatten(1), self.windows, self.feather, zero]
        return torch.cat(parts, dim=1).float()


def fold(position: Tensor, low: Tensor, high: Tensor, padding_mode: PaddingMode) -> Tensor:
    """Bring positions along one axis into the window [low, high] by the rule of ``padding_mode``."""
    if padding_mode is PaddingMode.REFLECT:
        low, high = low + 0.5, high - 0.5
    if padding_mode in {PaddingMode.REFLECT, PaddingMode.SYMMETRIC}:
        extent = (high - low).clamp(min=1e-6)
        away = torch.remainder(position - low, 2 * extent)
        return low + torch.minimum(away, 2 * extent - away)
    if padding_mode is PaddingMode.EDGE:
        low, high = low + 0.5, high - 0.5
    return torch.minimum(torch.maximum(position, low), high)


def check_size(size: tuple[int, int]) -> None:
    """Refuse output sizes of zero or beyond the limit."""
    if not all(1 <= side <= MAX_OUTPUT_SIDE for side in size):
        raise GeometryError(f"output size {size}: expected (height, width), each 1 to {MAX_OUTPUT_SIDE}")


def _check_maps(maps: Tensor, sizes: Tensor, size: tuple[int, int]) -> None:
    if not bool(maps.isfinite().all()) or not bool(sizes.isfinite().all()):
        raise GeometryError("geometry: a matrix or size holds a number that is not finite")
    if not bool((maps.abs() <= _LARGEST).all()):
        raise GeometryError(f"geometry: a matrix holds a number beyond {_LARGEST}")
    if not bool((torch.linalg.det(maps).abs() > 1e-12).all()):
        raise GeometryError("geometry: a matrix has determinant zero: it maps the output onto a line")
    corners = maps.new_tensor([[x, y, 1] for y in (0, size[0]) for x in (0, size[1])])
    if not bool(((maps @ corners.T)[:, 2] > 1e-6).all()):
        raise GeometryError("geometry: a projective map sees points at or beyond infinity inside the output")
