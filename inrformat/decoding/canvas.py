"""Building geometries from torchvision's geometric steps, on parameters of one sample or of a batch.

    canvas = Canvas.of(heights, widths)                      # the images as they are stored
    canvas = canvas.crop(top, left, height, width).resize(224, 224).horizontal_flip(where)
    geometry = canvas.geometry()

Each step returns a new canvas and means what the v2 functional of that name means; parameters are numbers for all
samples or tensors ``(B,)``. Nothing is read back from the device, and every device computes the same bits (a projective
map apart, for which equations are solved). A step that cannot be said as one map after those
before it (rotating what was rotated, with fill in view both times) raises `GeometryError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from inrformat.decoding.exact_math import cosine, sine
from inrformat.decoding.geometry import Geometry, PaddingMode
from inrformat.errors import GeometryError

__all__ = ["Canvas", "Number"]

Number = float | Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """A batch of images in some frame, and how the frame's coordinates lead back to the source.

    Attributes:
        height, width: float64 ``(B,)``, of the frame in pixels. size: the same as ints where it is one for all samples.
        shortest: no side of any sample's frame is shorter, in pixels.
        matrices: float64 ``(B, 3, 3)``, source from frame pixels. windows, feather, aligned, padding_mode, fill: as in
            `Geometry`. displacement: as in `Geometry`, of this very frame.
    """

    height: Tensor
    width: Tensor
    size: tuple[int, int] | None
    shortest: int
    matrices: Tensor
    windows: Tensor
    feather: Tensor
    aligned: bool = True
    padding_mode: PaddingMode = PaddingMode.EXTEND
    fill: tuple[float, ...] = (0.0,)
    displacement: Tensor | None = None

    @classmethod
    def of(
        cls, heights: Tensor | Sequence[int] | int, widths: Tensor | Sequence[int] | int, *, shortest: int = 1
    ) -> Canvas:
        """Images as they are stored: heights and widths in pixels, ``(B,)``, or numbers for one image.

        Tensors stay on their device.
        """
        height, width = (torch.atleast_1d(torch.as_tensor(s)).to(torch.float64) for s in (heights, widths))
        zero, one = torch.zeros_like(height), torch.ones_like(height)
        eye = torch.eye(3, dtype=torch.float64, device=height.device).expand(len(height), 3, 3)
        return cls(
            height,
            width,
            None,
            shortest,
            eye,
            torch.stack([zero, zero, width, height], dim=1),
            torch.stack([one, one], dim=1),
        )

    def __len__(self) -> int:
        return len(self.height)

    def __getitem__(self, samples: slice | Tensor) -> Canvas:
        """Some of the samples: a slice, or their numbers as int64 ``(n,)``."""
        batched = ("height", "width", "matrices", "windows", "feather")
        return replace(
            self,
            **{name: getattr(self, name)[samples] for name in batched},
            displacement=None if self.displacement is None else self.displacement[samples],
        )

    # -- steps that keep the axes

    def crop(self, top: Number, left: Number, height: Number, width: Number) -> Canvas:
        """A rectangle of the frame; one that reaches beyond it must be padded first."""
        return self._mapped(_affine(self, 1, 0, left, 0, 1, top), height, width)

    def center_crop(self, height: int, width: int) -> Canvas:
        """The middle of the frame, padded with 0 where the frame is smaller, as ``v2.CenterCrop``."""
        canvas = self
        if self.shortest < max(height, width):
            x, y = (width - self.width).clamp(min=0) / 2, (height - self.height).clamp(min=0) / 2
            canvas = self.pad(x.floor(), y.floor(), x.ceil(), y.ceil())
        top, left = ((canvas.height - height) / 2).round(), ((canvas.width - width) / 2).round()
        return canvas.crop(top, left, height, width)

    def resize(self, height: Number, width: Number) -> Canvas:
        """The frame scaled to a size."""
        scale_x, scale_y = self.width / self._tensor(width), self.height / self._tensor(height)
        canvas = self
        if self.aligned and self.padding_mode is PaddingMode.EXTEND:
            # A filter sees nothing of what was cropped away.
            canvas = replace(self, windows=self._frame_window())
        return canvas._mapped(_affine(self, scale_x, 0, 0, 0, scale_y, 0), height, width)

    def resize_short(self, side: Number, *, max_size: int | None = None) -> Canvas:
        """The frame scaled so that its shorter side is ``side``, the longer truncated, as ``v2.Resize(int)``."""
        short, long = torch.minimum(self.height, self.width), torch.maximum(self.height, self.width)
        new_short = self._tensor(side)
        new_long = (new_short * long / short).floor()
        if max_size is not None:
            too_long = new_long > max_size
            new_short = torch.where(too_long, (max_size * new_short / new_long).floor(), new_short)
            new_long = new_long.clamp(max=max_size)
        resized = self._resized_to(new_short, new_long)
        known = max_size is None and not isinstance(side, Tensor)
        return replace(resized, shortest=int(side)) if known else resized

    def resize_long(self, side: Number) -> Canvas:
        """The frame scaled so that its longer side is ``side``, the shorter truncated, as ``v2.Resize(None, side)``."""
        short, long = torch.minimum(self.height, self.width), torch.maximum(self.height, self.width)
        new_long = self._tensor(side)
        return self._resized_to((new_long * short / long).floor().clamp(min=1), new_long)

    def _resized_to(self, short: Tensor, long: Tensor) -> Canvas:
        tall = self.height >= self.width
        return self.resize(torch.where(tall, long, short), torch.where(tall, short, long))

    def horizontal_flip(self, where: Tensor | None = None) -> Canvas:
        """Left for right, all samples or those ``where`` bool ``(B,)`` says."""
        flip = torch.ones_like(self.width) if where is None else where.to(self.width)
        return self._mapped(_affine(self, 1 - 2 * flip, 0, flip * self.width, 0, 1, 0), *self._extent())

    def vertical_flip(self, where: Tensor | None = None) -> Canvas:
        """Top for bottom, all samples or those ``where`` bool ``(B,)`` says."""
        flip = torch.ones_like(self.height) if where is None else where.to(self.height)
        return self._mapped(_affine(self, 1, 0, 0, 0, 1 - 2 * flip, flip * self.height), *self._extent())

    def pad(
        self,
        left: Number,
        top: Number,
        right: Number,
        bottom: Number,
        *,
        fill: tuple[float, ...] = (0.0,),
        padding_mode: PaddingMode = PaddingMode.CONSTANT,
    ) -> Canvas:
        """The frame with margins around it, in frame pixels."""
        height, width = self._extent()
        shifted = _affine(self, 1, 0, -left, 0, 1, -top)
        return self._exposed(padding_mode, fill)._mapped(shifted, height + top + bottom, width + left + right)

    # -- steps that do not

    def rotate(
        self, degrees: Number, *, center: tuple[Number, Number] | None = None, fill: tuple[float, ...] = (0.0,)
    ) -> Canvas:
        """Counter-clockwise about ``center`` (x, y) in frame pixels, the middle by default; the frame stays."""
        return self.affine(-degrees, center=center, fill=fill)

    def affine(
        self,
        degrees: Number,
        *,
        translate: tuple[Number, Number] = (0.0, 0.0),
        scale: Number = 1.0,
        shear: tuple[Number, Number] = (0.0, 0.0),
        center: tuple[Number, Number] | None = None,
        fill: tuple[float, ...] = (0.0,),
    ) -> Canvas:
        """As ``v2.functional.affine``: clockwise rotation and shear in degrees, translation in frame pixels."""
        rotation, shear_x, shear_y = (self._tensor(angle) for angle in (degrees, *shear))
        size = self._tensor(scale)
        # The inverse of translation * rotation * shear * scale about the centre, as torchvision defines affine.
        a = cosine(rotation - shear_y) / cosine(shear_y)
        c = sine(rotation - shear_y) / cosine(shear_y)
        tangent = sine(shear_x) / cosine(shear_x)
        b, d = -a * tangent - sine(rotation), cosine(rotation) - c * tangent
        m = [v / size for v in (d, -b, -c, a)]
        center_x, center_y = (self.width / 2, self.height / 2) if center is None else center
        to_x, to_y = center_x + self._tensor(translate[0]), center_y + self._tensor(translate[1])
        matrix = _affine(
            self, m[0], m[1], center_x - m[0] * to_x - m[1] * to_y, m[2], m[3], center_y - m[2] * to_x - m[3] * to_y
        )
        return self._exposed(PaddingMode.CONSTANT, fill)._mapped(matrix, *self._extent(), aligned=False)

    def perspective(self, start: Tensor, end: Tensor, *, fill: tuple[float, ...] = (0.0,)) -> Canvas:
        """The projective map that takes four points ``start`` to ``end``, ``(B, 4, 2)`` of (x, y) in frame pixels."""
        x, y = end.to(torch.float64).unbind(2)  # (B, 4): where they are in the output
        u, v = start.to(torch.float64).unbind(2)
        one, zero = torch.ones_like(x), torch.zeros_like(x)
        rows_u = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], dim=2)  # (B, 4, 8)
        rows_v = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], dim=2)
        solution = torch.linalg.solve(torch.cat([rows_u, rows_v], dim=1), torch.cat([u, v], dim=1))
        matrix = torch.cat([solution, one[:, :1]], dim=1).reshape(-1, 3, 3)
        return self._exposed(PaddingMode.CONSTANT, fill)._mapped(matrix, *self._extent(), aligned=False)

    def displace(self, displacement: Tensor, *, fill: tuple[float, ...] = (0.0,)) -> Canvas:
        """Positions moved by ``displacement (B, height, width, 2)``, (x, y) in frame pixels; no step may follow.

        It keeps its dtype, float32 or float64: it is far larger than all else of a canvas.
        """
        exposed = self._exposed(PaddingMode.CONSTANT, fill)
        return replace(exposed, aligned=False, displacement=displacement.to(self.matrices.device))

    # -- results

    def geometry(self, *, antialias: bool = True) -> Geometry:
        """The maps, when every sample has the same frame.

        Raises:
            GeometryError: samples may differ in size: end with a resize or a crop.
        """
        if self.size is None:
            raise GeometryError("samples may differ in size after these steps: end with a resize or crop")
        return Geometry(
            self.size,
            self.matrices,
            self.windows,
            self.feather,
            self.aligned,
            self.padding_mode,
            self.fill,
            self.displacement,
            antialias,
        )

    def where(self, mask: Tensor, other: Canvas) -> Canvas:
        """Samples of this canvas where ``mask`` bool ``(B,)`` is set, of ``other`` elsewhere; both of one origin."""
        exposing = [c for c in (self, other) if c.padding_mode is not PaddingMode.EXTEND]
        same_rule = len({(c.padding_mode, c.fill) for c in exposing}) <= 1
        if not same_rule or (self.displacement is None) != (other.displacement is None):
            raise GeometryError("the alternatives treat what is outside the image differently")
        # A sample with nothing outside in view must not fade at its edges under the other's rule.
        ours, theirs = (
            replace(c, feather=torch.full_like(c.feather, 1e-6))
            if c.padding_mode is PaddingMode.EXTEND and exposing
            else c
            for c in (self, other)
        )
        pick = {
            n: torch.where(mask.reshape(-1, *[1] * (getattr(ours, n).ndim - 1)), getattr(ours, n), getattr(theirs, n))
            for n in ("height", "width", "matrices", "windows", "feather")
        }
        displacement = self.displacement
        if displacement is not None and other.displacement is not None:
            displacement = torch.where(mask[:, None, None, None], displacement, other.displacement)
        rule = exposing[0] if exposing else self
        return Canvas(
            **pick,
            size=self.size if self.size == other.size else None,
            shortest=min(self.shortest, other.shortest),
            aligned=self.aligned and other.aligned,
            padding_mode=rule.padding_mode,
            fill=rule.fill,
            displacement=displacement,
        )

    def _tensor(self, value: Number) -> Tensor:
        if isinstance(value, Tensor):
            return value.to(self.height)
        return torch.full_like(self.height, value)

    def _extent(self) -> tuple[Number, Number]:
        return self.size if self.size is not None else (self.height, self.width)

    def _mapped(self, matrix: Tensor, height: Number, width: Number, *, aligned: bool = True) -> Canvas:
        """The frame of ``height`` x ``width`` whose positions ``matrix`` takes to this one's."""
        if self.displacement is not None:
            raise GeometryError("a step after a displacement: put the displacement last")
        size = None if isinstance(height, Tensor) or isinstance(width, Tensor) else (int(height), int(width))
        shortest = self.shortest if height is self.height and width is self.width else 1
        return replace(
            self,
            height=self._tensor(height),
            width=self._tensor(width),
            size=size,
            shortest=shortest if size is None else min(size),
            matrices=_product(self.matrices, matrix),
            aligned=self.aligned and aligned,
        )

    def _frame_window(self) -> Tensor:
        """The frame in source pixels, cut to the window: ``(B, 4)``; only of an aligned canvas."""
        m = self.matrices
        x = torch.stack([m[:, 0, 2], m[:, 0, 0] * self.width + m[:, 0, 2]], dim=1)
        y = torch.stack([m[:, 1, 2], m[:, 1, 1] * self.height + m[:, 1, 2]], dim=1)
        low, high = self.windows[:, :2], self.windows[:, 2:]
        frame_low = torch.stack([x.amin(1), y.amin(1)], dim=1)
        frame_high = torch.stack([x.amax(1), y.amax(1)], dim=1)
        return torch.cat([torch.maximum(low, frame_low), torch.minimum(high, frame_high)], dim=1)

    def _exposed(self, padding_mode: PaddingMode, fill: tuple[float, ...]) -> Canvas:
        """This canvas with what lies beyond its frame in view."""
        if not self.aligned:
            raise GeometryError("a second step with fill in view after a rotation or warp")
        if self.padding_mode is not PaddingMode.EXTEND and (self.padding_mode, self.fill) != (padding_mode, fill):
            raise GeometryError("two steps that treat what is outside the image differently")
        pitch = torch.stack([self.matrices[:, 0, 0].abs(), self.matrices[:, 1, 1].abs()], dim=1)
        return replace(self, windows=self._frame_window(), feather=pitch, padding_mode=padding_mode, fill=fill)


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Matrix products ``(B, 3, 3)``, every operation rounded by itself: libraries' own differ in their last bits."""
    first, second, third = (left[:, :, k, None] * right[:, k, None, :] for k in range(3))
    return first + second + third


def _affine(canvas: Canvas, *entries: Number) -> Tensor:
    """Matrices ``(B, 3, 3)`` with the six ``entries`` row by row."""
    rows = torch.stack([canvas._tensor(e) for e in (*entries, 0, 0, 1)], dim=1)
    return rows.reshape(-1, 3, 3)
