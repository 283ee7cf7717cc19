"""What a file's records need of a device, found once: flat descriptors, greatest sizes, and the scratch of a batch.

Everything is sized by the greatest native height and width and the largest networks of the file, so that decoding never
asks the device how large something is.
"""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inrformat.decode.records import DeviceRecords
from inrformat.decode.triton.descriptors import Descriptors, flatten, siren_extent
from inrformat.decode.triton.rans import slot_entries
from inrformat.errors import DeviceError
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.nodes import CELL_SIDES, TOP_SIDE_MAX, grid, top_side
from inrformat.families.cells.triton.read import CHUNK
from inrformat.families.siren.descriptor import Siren

__all__ = ["SCRATCH_BYTES", "Plan", "Scratch", "plan_of", "why_not"]

SCRATCH_BYTES = 224 << 20
"""Scratch of a batch; larger batches are decoded in parts of this size, or one record at a time."""
_WIDEST_SIREN = 64
_MAX_PLACES = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Scratch:
    """Memory for ``batch`` records on one stream; what lies in it is of the last decode.

    Attributes:
        area: int16 ``(batch, area_size)``: symbols. work: int32: lists and work items of ``cells``.
        means, dc: float32; cover: int32; steps: float32 ``(batch,)``: see ``read_cells.py``.
        parameters: float32 ``(batch, padded)`` of ``siren``.
        status: int32 ``(batch,)``: 0, or the bits of ``rans.py`` and ``read_cells.py`` for a record that is damaged.
    """

    area: Tensor
    work: Tensor
    means: Tensor
    dc: Tensor
    cover: Tensor
    steps: Tensor
    parameters: Tensor
    status: Tensor

    @property
    def batch(self) -> int:
        return len(self.status)

    @property
    def size_bytes(self) -> int:
        """Device memory of all of it."""
        return sum(getattr(self, n).nbytes for n in self.__slots__)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Of one `DeviceRecords`; sizes in elements of one record.

    Attributes:
        entries: see ``rans.slot_entries``. height, width: greatest native size, px.
        channels: of every image. has_cells, has_siren: families of the file.
        nodes: of a ``cells`` record, at most. details, roots, plane: where these begin in a record's area.
        plane_height, plane_width: px, multiples of 32. layers, pad: of the sirens, see ``descriptors.siren_extent``.
        launching: held while the kernels of a batch are queued: threads may share a stream, and its scratch.
    """

    device: torch.device
    descriptors: Descriptors
    entries: Tensor
    height: int
    width: int
    channels: int
    has_cells: bool
    has_siren: bool
    nodes: int
    details: int
    roots: int
    plane: int
    plane_height: int
    plane_width: int
    layers: int
    pad: int
    launching: threading.Lock = field(default_factory=threading.Lock)
    _scratches: dict[int, Scratch] = field(default_factory=dict)
    _styles: dict[tuple[float, ...], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, records: DeviceRecords) -> Plan:
        """Reads the greatest sizes from the device: call it when the file is loaded.

        Raises:
            DeviceError: see `why_not`.
        """
        reason = why_not(records)
        if reason is not None:
            raise DeviceError(f"the Triton backend cannot decode this file: {reason}; use another backend")
        height, width = _largest(records)
        top = top_side(height, width)
        has_cells = any(isinstance(n, Cells) for n in records.networks)
        sides = [TOP_SIDE_MAX >> k for k in range(6) if top >= TOP_SIDE_MAX >> k] if has_cells else []
        counts = [rows * columns for rows, columns in (grid(height, width, s) for s in sides)]
        # A smaller image may have fewer levels, but nowhere more nodes.
        nodes, roots = sum(counts), counts[0] if counts else 0
        layers, pad = siren_extent(records.networks)
        details = nodes
        roots_at = details + nodes * 3 * records.channels
        plane = -(-(roots_at + roots * records.channels) // 16) * 16
        block = CELL_SIDES[0]
        return cls(
            device=records.device,
            descriptors=flatten(records.codebook, records.device),
            entries=slot_entries(records.codebook.tables, records.device),
            height=height,
            width=width,
            channels=records.channels,
            has_cells=has_cells,
            has_siren=any(isinstance(n, Siren) for n in records.networks),
            nodes=nodes,
            details=details,
            roots=roots_at,
            plane=plane,
            plane_height=-(-height // block) * block if has_cells else 0,
            plane_width=-(-width // block) * block if has_cells else 0,
            layers=layers,
            pad=pad,
        )

    @property
    def plane_size(self) -> int:
        """Weights of one channel of the largest image."""
        return self.plane_height * self.plane_width

    @property
    def padded(self) -> int:
        """Parameters of the largest siren, zero-padded."""
        return self.layers * self.pad * (self.pad + 1)

    @property
    def area_size(self) -> int:
        """Symbols of a record; the last place is the step scale's."""
        return max(self.plane + self.channels * self.plane_size, self.padded) + 16

    @property
    def scale_at(self) -> int:
        """Place of the step scale in a record's area."""
        return self.area_size - 1

    @property
    def record_bytes(self) -> int:
        """Scratch of one record."""
        fine = self.plane_size // 64
        work = 2 * (CHUNK + self.nodes) + (self.nodes + fine) * self.channels + fine + self.padded + 2
        return 2 * self.area_size + 4 * work

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

    def style(self, scale: tuple[float, ...], shift: tuple[float, ...], fill: tuple[float, ...]) -> Tensor:
        """Those numbers on the device, float32 ``(3, channels)``; copied there the first time."""
        key = (*scale, *shift, *fill)
        if key not in self._styles:
            self._styles[key] = torch.tensor(key, dtype=torch.float32, device=self.device)
        return self._styles[key]

    def _allocate(self, batch: int) -> Scratch:
        def empty(count: int, dtype: torch.dtype) -> Tensor:
            return torch.empty((batch, count), dtype=dtype, device=self.device)

        fine = self.plane_size // 64
        return Scratch(
            area=empty(self.area_size, torch.int16),
            work=empty(2 * (CHUNK + self.nodes), torch.int32),
            means=empty(self.nodes * self.channels, torch.float32),
            dc=empty(fine * self.channels, torch.float32),
            cover=empty(fine, torch.int32),
            steps=empty(1, torch.float32)[:, 0],
            parameters=empty(self.padded, torch.float32),
            status=empty(1, torch.int32)[:, 0],
        )


def why_not(records: DeviceRecords) -> str | None:
    """Why the kernels cannot decode these records, or None."""
    widest = max((max(n.widths) for n in records.networks if isinstance(n, Siren)), default=0)
    if widest > _WIDEST_SIREN:
        return f"a siren of {widest} units in a layer, where {_WIDEST_SIREN} fit a multiprocessor"
    if len(records) == 0:
        return "it holds no records"
    if any(isinstance(n, Cells) for n in records.networks):
        height, width = _largest(records)
        if records.channels * (height + 31) * (width + 31) * 4 // 3 > _MAX_PLACES:
            return f"images of {height} x {width} px"
    return None


def _largest(records: DeviceRecords) -> tuple[int, int]:
    _, height, width = records.shapes.amax(0).tolist()
    return height, width


_plans: weakref.WeakKeyDictionary[DeviceRecords, Plan] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def plan_of(records: DeviceRecords) -> Plan:
    """The plan of ``records``, made the first time: do so when a file is loaded, not in a CUDA graph."""
    with _lock:
        if records not in _plans:
            _plans[records] = Plan.of(records)
        return _plans[records]
