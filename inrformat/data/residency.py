"""The file's bytes on a device: copied once, after which decoding reads nothing from the host."""

from __future__ import annotations

import sys

import numpy as np
import torch

from inrformat.container.reader import InrdReader
from inrformat.decode.records import DeviceRecords
from inrformat.errors import DeviceError
from inrformat.networks.codebook import Codebook

__all__ = ["checked_device", "load_resident"]


def checked_device(name: str | torch.device) -> torch.device:
    """``torch.device(name)``, "auto" being CUDA where there is one.

    Raises:
        DeviceError: CUDA was asked for and is not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DeviceError(f"unknown device {name!r}: use cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device cuda was asked for, but torch finds no CUDA device: use cpu or auto")
    return device


def load_resident(reader: InrdReader, codebook: Codebook, device: torch.device) -> DeviceRecords:
    """Copy the payload, the record places and the symbol tables of a file to ``device``, checksums verified."""
    payload = reader.payload().view("<i2")
    if sys.byteorder == "big":
        payload = payload.astype(np.int16)
    index = reader.index
    return DeviceRecords.of(
        payload,
        offsets=index.offsets_bytes,
        lengths=index.lengths_bytes,
        shapes=np.stack([index.networks, index.heights, index.widths], axis=1),
        codebook=codebook,
        device=device,
    )
