"""The form in which decoded pixels are handed over: dtype, normalisation, memory format."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inrformat.errors import UsageError

__all__ = ["PixelFormat"]

_DTYPES = (torch.uint8, torch.float32, torch.float16, torch.bfloat16)


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """What becomes of a colour v in [0, 1].

    Attributes:
        dtype: uint8 gives floor(255 v + 0.5); a float dtype gives (v - mean) / std, or v.
        mean, std: one number per channel, or one for all, in [0, 1] units; both or neither.
        channels_last: strides of ``torch.channels_last``; the shape is ``(B, C, H, W)`` either way.
    """

    dtype: torch.dtype = torch.uint8
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.dtype not in _DTYPES:
            raise UsageError(f"pixels of {self.dtype}: choose one of {', '.join(str(d) for d in _DTYPES)}")
        if (self.mean is None) != (self.std is None):
            raise UsageError("normalisation takes both a mean and a standard deviation")
        if self.std is not None and (self.dtype == torch.uint8 or not all(s > 0 for s in self.std)):
            raise UsageError(f"normalisation needs a float dtype and positive deviations, got {self.dtype}, {self.std}")

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def scale_shift(self, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Per channel a and b of the float value a v + b.

        Raises:
            UsageError: mean or std have neither one number per channel nor one for all.
        """
        if self.mean is None or self.std is None:
            return (1.0,) * channels, (0.0,) * channels
        mean, std = (given * channels if len(given) == 1 else given for given in (self.mean, self.std))
        if len(mean) != channels or len(std) != channels:
            raise UsageError(f"mean {self.mean} and std {self.std} for images of {channels} channels")
        return tuple(1 / s for s in std), tuple(-m / s for m, s in zip(mean, std, strict=True))

    def empty(self, shape: tuple[int, int, int, int], device: torch.device) -> Tensor:
        """An uninitialised batch ``(B, C, H, W)`` of this form."""
        return torch.empty(shape, dtype=self.dtype, device=device, memory_format=self.memory_format)

    def of(self, colours: Tensor) -> Tensor:
        """Colours float ``(B, C, H, W)`` in this form; clamps to [0, 1] first."""
        colours = colours.clamp(0, 1)
        if self.dtype == torch.uint8:
            return (colours * 255 + 0.5).floor().to(torch.uint8).contiguous(memory_format=self.memory_format)
        scale, shift = (colours.new_tensor(v)[:, None, None] for v in self.scale_shift(colours.shape[1]))
        return (colours * scale + shift).to(self.dtype).contiguous(memory_format=self.memory_format)
