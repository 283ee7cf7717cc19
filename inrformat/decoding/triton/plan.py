"""What a file needs of a device, found once: each family's plan, and how much scratch a batch takes.

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

from inrformat.decoding.arena import Arena, measuring_arena
from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.records import DeviceRecords
from inrformat.decoding.transfer import sent
from inrformat.decoding.triton.backend import FamilyPlan, TritonBackend
from inrformat.decoding.triton.rans import slot_entries
from inrformat.decoding.triton.scratch import ScratchPool, capturing, pool_of
from inrformat.errors import DeviceError, UsageError
from inrformat.families.family import Family
from inrformat.families.registry import family_of

__all__ = ["SCRATCH_BYTES", "FamilyInFile", "Plan", "Scratch", "plan_of", "why_not"]

SCRATCH_BYTES = 224 << 20
"""Scratch of a batch; larger batches are decoded in parts of this size, or one record at a time."""
_STATUS_BYTES = 4
_PART_MULTIPLE = 16
"""Parts of a batch begin where pointers into it are aligned as those to its beginning."""


class FamilyInFile(NamedTuple):
    """A family that a file has networks of: its kernels, and its plan of the file."""

    backend: TritonBackend
    plan: FamilyPlan


@dataclass(frozen=True, slots=True, eq=False)
class Scratch:
    """Memory for ``batch`` records; what lies in it is of the last decode.

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


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Plan:
    """Of one `DeviceFile`.

    Attributes:
        slot_entries: see ``rans.slot_entries``. channels: of every image. max_height, max_width: greatest native size
            in pixels. families: those of the file's networks. scratch_pool: of the device.
    """

    device: torch.device
    slot_entries: Tensor
    channels: int
    max_height: int
    max_width: int
    families: tuple[FamilyInFile, ...]
    scratch_pool: ScratchPool
    _channel_styles: dict[tuple[float, ...], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, file: DeviceFile) -> Plan:
        """Copies to the device, and reads nothing from it.

        Raises:
            DeviceError: see `why_not`. UsageError: a CUDA graph is being captured, which cannot hold the copies.
        """
        reason = why_not(file)
        if reason is not None:
            raise DeviceError(f"the Triton backend cannot decode this file: {reason}; use another backend")
        _refuse_capturing(file.device)
        backends = [_backend(family) for family in _families(file)]
        return cls(
            device=file.device,
            slot_entries=slot_entries(file.codebook.tables, file.device),
            channels=file.channels,
            max_height=file.max_height,
            max_width=file.max_width,
            families=tuple(FamilyInFile(b, b.prepare(file)) for b in backends if b is not None),
            scratch_pool=pool_of(file.device),
        )

    @property
    def record_bytes(self) -> int:
        """Scratch of one record."""
        return sum(family.plan.record_bytes for family in self.families) + _STATUS_BYTES

    def part(self, batch: int) -> int:
        """Records decoded at a time."""
        fitting = SCRATCH_BYTES // self.record_bytes
        if batch <= fitting:
            return max(batch, 1)
        return max(fitting // _PART_MULTIPLE * _PART_MULTIPLE or fitting, 1)

    def scratch(self, batch: int) -> Scratch:
        """Scratch for ``batch`` records that is not shared; what decodes borrow is the pool's."""
        needed = measuring_arena()
        self.allocate(batch, needed)
        return self.allocate(batch, Arena(torch.empty(needed.used_bytes, dtype=torch.uint8, device=self.device)))

    def allocate(self, batch: int, arena: Arena) -> Scratch:
        """Scratch for ``batch`` records, cut from ``arena``."""
        return Scratch(
            status=arena.empty(batch, dtype=torch.int32),
            families=tuple(family.plan.allocate(batch, arena) for family in self.families),
        )

    def channel_style(self, scale: tuple[float, ...], shift: tuple[float, ...], fill: tuple[float, ...]) -> Tensor:
        """Those numbers on the device, float32 ``(3 * channels,)``; copied there the first time."""
        key = (*scale, *shift, *fill)
        if key not in self._channel_styles:
            _refuse_capturing(self.device)
            self._channel_styles[key] = sent(torch.tensor(key, dtype=torch.float32), self.device)
        return self._channel_styles[key]


def why_not(file: DeviceFile) -> str | None:
    """Why the kernels cannot decode records of the file, or None."""
    if file.record_count == 0:
        return "it holds no records"
    for family in _families(file):
        backend = _backend(family)
        if backend is None:
            return f"network family {family.name!r} has no Triton kernels"
        reason = backend.why_not(file)
        if reason is not None:
            return reason
    return None


def _refuse_capturing(device: torch.device) -> None:
    if capturing(device):
        raise UsageError("a CUDA graph is being captured: decode a batch of the same file and form once before it")


def _families(file: DeviceFile) -> tuple[Family, ...]:
    """Families of the file's networks, each once."""
    by_name = {network.family: family_of(network) for network in file.networks}
    return tuple(by_name.values())


def _backend(family: Family) -> TritonBackend | None:
    return None if family.triton is None else family.triton()


_plans: weakref.WeakKeyDictionary[DeviceFile, Plan] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def plan_of(records: DeviceRecords) -> Plan:
    """The plan of the file that ``records`` are of, made the first time.

    Raises:
        DeviceError, UsageError: see ``Plan.of``.
    """
    with _lock:
        plan = _plans.get(records.file)
        if plan is None:
            plan = _plans[records.file] = Plan.of(records.file)
        return plan
