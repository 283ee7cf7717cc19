"""The choice of a fitting engine: compiled loops on the CPU, batches of images on a GPU."""

from __future__ import annotations

import torch

from inrformat.families.siren.encoder.engine import Engine
from inrformat.families.siren.encoder.numba_engine import NumbaEngine
from inrformat.families.siren.encoder.torch_engine import TorchEngine

__all__ = ["engine_for"]


def engine_for(device: torch.device) -> Engine:
    """The fastest engine for ``device``."""
    return NumbaEngine() if device.type == "cpu" else TorchEngine(device)
