"""What a file's records need of a device, found once: each family's plan, and the scratch of a batch on each stream.

Everything is sized by the greatest native height and width and the largest networks of the file, so that decoding never
asks the device how large something is.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.triton.backend import FamilyPlan, TritonBackend
from inrformat.decoding.triton.rans import slot_entries
from inrformat.errors import DeviceError
from inrformat.families.family import Family
from inrformat.families.registry import family_of

__all__ = ["SCRATCH_BYTES", "FamilyInFile", "Plan", "Scratch", "plan_of", "why_not"]

SCRATCH_BYTES = 224 << 20
"""Scratch of a batch; larger batches are decoded in parts of this size, or one record at a time."""
_STATUS_BYTES = 4


class FamilyInFile(NamedTuple):
    """A family that a file has networks of: its kernels, and its plan of the file."""

    backend: TritonBackend
    plan: FamilyPlan


@dataclass(frozen=True, slots=True, eq=False)
class Scratch:
    """Memory for ``batch`` records on one stream; what lies in it is of the last decode.

    Attributes:
        status: int32 ``(batch,)``: 0, or the bits of ``rans.py`` and of the family for a record that is damaged.
        families: what each of ``Plan.families`` allocated, in their order.
    """

    status: Tensor
    families: tuple[Any, ...]

    @property
    def batch(self) -> int:
        """Records that it holds."""
        return len(self.status)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Of one `DeviceRecords`.

    Attributes:
        slot_entries: see ``rans.slot_entries``. channels: of every image. max_height, max_width: greatest native size
            in pixels. families: those of the file's networks.
        launching: held while the kernels of a batch are queued: threads may share a stream, and its scratch.
    """

    device: torch.device
    slot_entries: Tensor
    channels: int
    max_height: int
    max_width: int
    families: tuple[FamilyInFile, ...]
    launching: threading.Lock = field(default_factory=threading.Lock)
    _scratches: dict[int, Scratch] = field(default_factory=dict)
    _channel_styles: dict[tuple[float, ...], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, records: DeviceRecords) -> Plan:
        """Reads the greatest sizes from the device: call it when the file is loaded.

        Raises:
            DeviceError: see `why_not`.
        """
        reason = why_not(records)
        if reason is not None:
            raise DeviceError(f"the Triton backend cannot decode this file: {reason}; use another backend")
        _, max_height, max_width = records.shapes.amax(0).tolist()
        backends = [_backend(family) for family in _families(records)]
        return cls(
            device=records.device,
            slot_entries=slot_entries(records.codebook.tables, records.device),
            channels=records.channels,
            max_height=max_height,
            max_width=max_width,
            families=tuple(FamilyInFile(b, b.prepare(records)) for b in backends if b is not None),
        )

    @property
    def record_bytes(self) -> int:
        """Scratch of one record."""
        return sum(family.plan.record_bytes for family in self.families) + _STATUS_BYTES

    def part(self, batch: int) -> int:
        """Records decoded at a time."""
        return max(min(batch, SCRATCH_BYTES // self.record_bytes), 1)

    def scratch(self, batch: int) -> Scratch:
        """That of the current stream, made or grown to ``batch`` records."""
        stream = torch.cuda.current_stream(self.device).cuda_stream if self.device.type == "cuda" else 0
        held = self._scratches.get(stream)
        if held is None or held.batch < batch:
            held = self._scratches[stream] = self._allocate(batch)
        return held

    def channel_style(self, scale: tuple[float, ...], shift: tuple[float, ...], fill: tuple[float, ...]) -> Tensor:
        """Those numbers on the device, float32 ``(3 * channels,)``; copied there the first time."""
        key = (*scale, *shift, *fill)
        if key not in self._channel_styles:
            self._channel_styles[key] = torch.tensor(key, dtype=torch.float32, device=self.device)
        return self._channel_styles[key]

    def _allocate(self, batch: int) -> Scratch:
        return Scratch(
            status=torch.empty(batch, dtype=torch.int32, device=self.device),
            families=tuple(family.plan.allocate(batch) for family in self.families),
        )


def why_not(records: DeviceRecords) -> str | None:
    """Why the kernels cannot decode these records, or None."""
    if len(records) == 0:
        return "it holds no records"
    for family in _families(records):
        backend = _backend(family)
        if backend is None:
            return f"network family {family.name!r} has no Triton kernels"
        reason = backend.why_not(records)
        if reason is not None:
            return reason
    return None


def _families(records: DeviceRecords) -> tuple[Family, ...]:
    """Families of the file's networks, each once."""
    by_name = {network.family: family_of(network) for network in records.networks}
    return tuple(by_name.values())


def _backend(family: Family) -> TritonBackend | None:
    return None if family.triton is None else family.triton()


_plans: weakref.WeakKeyDictionary[DeviceRecords, Plan] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def plan_of(records: DeviceRecords) -> Plan:
    """The plan of ``records``, made the first time: do so when a file is loaded, not in a CUDA graph.

    Raises:
        DeviceError: see `why_not`.
    """
    with _lock:
        if records not in _plans:
            _plans[records] = Plan.of(records)
        return _plans[records]
