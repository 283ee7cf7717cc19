"""The reference decoder: records to pixels of any size in plain torch (spec section 8).

Where an output axis has at least as many pixels as the native one, the network is evaluated at the output's pixel
centres. Where it has fewer, the network is evaluated on the native lattice of that axis and reduced with the
antialiased triangle filter of ``torchvision.transforms.v2.Resize``: evaluating at few points alone would alias.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from inrformat.decode.records import DeviceRecords
from inrformat.networks.family import Network

__all__ = ["Size", "decode_images", "decode_pixels", "output_size", "to_uint8"]

Size = int | tuple[int, int] | None
"""Output size: None for native, an int for the short side (as in ``v2.Resize``), or (height, width) in pixels."""

_BATCH_PIXELS = 1 << 22


def output_size(native: tuple[int, int], size: Size) -> tuple[int, int]:
    """(height, width) in pixels that ``size`` means for an image of ``native`` (height, width).

    An int gives the short side, and the long side is truncated, as torchvision does.
    """
    if size is None:
        return native
    if isinstance(size, tuple):
        return size
    height, width = native
    return (size, int(size * width / height)) if height <= width else (int(size * height / width), size)


def decode_pixels(
    network: Network, records: DeviceRecords, rows: Tensor, *, native: tuple[int, int], size: tuple[int, int]
) -> Tensor:
    """Decode records of one network descriptor and one native size.

    Args:
        rows: int64 ``(B,)``, which of ``records``. native, size: (height, width) in pixels.

    Returns:
        float32 ``(B, channels, height, width)`` in [0, 1] on the records' device.

    Raises:
        InvalidFileError: the symbols of a record do not add up.
    """
    decoder = records.decoder(rows, lanes=network.lanes(height=native[0], width=native[1]))
    weights = network.read(decoder, height=native[0], width=native[1])
    lattice = (max(native[0], size[0]), max(native[1], size[1]))
    pixels = network.render(weights, native=native, lattice=lattice).clamp(0, 1)
    if lattice == size:
        return pixels
    return F.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)


def to_uint8(pixels: Tensor) -> Tensor:
    """[0, 1] floats to 0..255: floor(255 v + 0.5)."""
    return (pixels * 255 + 0.5).floor().to(torch.uint8)


def decode_images(
    networks: Sequence[Network],
    records: DeviceRecords,
    rows: Sequence[int],
    *,
    shapes: NDArray[np.int64],
    size: Size = None,
) -> list[Tensor]:
    """Decode any records of a file, whatever their networks and sizes.

    Args:
        rows: which of ``records``. shapes: int64 ``(len(rows), 3)``: network number, native height, native width.

    Returns:
        One uint8 ``(channels, height, width)`` per row, in order, on the records' device.
    """
    groups: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for position, shape in enumerate(shapes.tolist()):
        groups[tuple(shape)].append(position)
    images: dict[int, Tensor] = {}
    for (number, height, width), positions in groups.items():
        native, out = (height, width), output_size((height, width), size)
        batch = max(_BATCH_PIXELS // (max(height, out[0]) * max(width, out[1])), 1)
        for first in range(0, len(positions), batch):
            part = positions[first : first + batch]
            chosen = torch.tensor([rows[p] for p in part], device=records.device)
            pixels = to_uint8(decode_pixels(networks[number], records, chosen, native=native, size=out))
            images.update(zip(part, pixels, strict=True))
    return [images[p] for p in range(len(rows))]
