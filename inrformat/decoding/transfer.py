"""From the host to a device without waiting for it."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["sent"]


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """``tensor``, which is on the host, on ``device``: behind what the current CUDA stream has to do already.

    The copy is made from page-locked memory, which torch keeps until the device is done with it; nothing waits.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
