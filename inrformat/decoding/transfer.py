"""From the host to a device without waiting for it."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from inrformat.decoding.arena import Arena, measuring_arena

__all__ = ["sent", "sent_together"]


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """``tensor`` on ``device``: from the host, behind what the current CUDA stream has to do already.

    The copy is made from page-locked memory, which torch keeps until the device is done with it; nothing waits.
    """
    if device.type != "cuda" or tensor.device.type != "cpu":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def sent_together(tensors: Iterable[Tensor], device: torch.device) -> list[Tensor]:
    """``tensors``, on the host and of any shapes and dtypes, on ``device`` by one copy; there they share memory."""
    tensors = list(tensors)
    if device.type != "cuda" or not tensors:
        return [tensor.to(device) for tensor in tensors]
    size = measuring_arena()
    _cut(tensors, size)
    packed = torch.empty(size.used_bytes, dtype=torch.uint8)
    for place, tensor in zip(_cut(tensors, Arena(packed)), tensors, strict=True):
        place.copy_(tensor)
    return _cut(tensors, Arena(sent(packed, device)))


def _cut(like: Iterable[Tensor], arena: Arena) -> list[Tensor]:
    return [arena.empty(*tensor.shape, dtype=tensor.dtype) for tensor in like]
