"""Devices by the names that users give them."""

from __future__ import annotations

import torch

from inrformat.errors import DeviceError

__all__ = ["checked_device"]


def checked_device(name: str | torch.device) -> torch.device:
    """``torch.device(name)``, "auto" being CUDA where there is one.

    Raises:
        DeviceError: CUDA was asked for and is not available, or a device that is neither CUDA nor the CPU.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"unknown device {name!r}: use cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device {device.type} is not supported (maps need float64 there): decode on cpu instead")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device cuda was asked for, but torch finds no CUDA device: use cpu or auto")
    return device
