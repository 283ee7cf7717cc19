"""Small files for the Triton decoder's tests, of both families: in Triton's interpreter kernels are slow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch
from skimage import data as photographs

from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decoding.records import DeviceRecords, join_records
from inrformat.decoding.triton.bodies import Bodies
from inrformat.decoding.triton.launch import read
from inrformat.decoding.triton.plan import Plan, Scratch
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.encoder.options import CellsOptions
from inrformat.families.cells.record import read_record, write_record
from inrformat.families.cells.triton.plan import CellsPlan, CellsScratch
from inrformat.families.codebook import Codebook
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.record import write_records
from inrformat.families.siren.triton.plan import SirenPlan, SirenScratch

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

CELL_SIZES = [(24, 40), (8, 264), (70, 33)]
SIREN_SIZES = [(24, 40), (30, 17)]
ROWS = (3, 0, 1, 4, 2)
"""The records of the mixed file in the order in which the tests decode them."""
CELL_ROWS, SIREN_ROWS = (2, 0, 1), (4, 3)
"""Those of each family, in the order in which its tests read them."""
_GUARD = 128


def _cells_records(*, grey: bool) -> tuple[list[bytes], Cells, TableSet]:
    """Records of a few lanes each, though the images are small."""
    images = [np.ascontiguousarray(photographs.astronaut()[::4, ::4][:h, : w or None]) for h, w in CELL_SIZES[::2]]
    images.insert(1, np.ascontiguousarray(photographs.coffee()[200:208, 100:364]))
    if grey:
        images = [image[:, :, :1] for image in images]
    encoded = encode_in_memory(images, CellsOptions(quality=50, threads=1))
    records, codebook = encoded.encoded, encoded.records.codebook
    stored = codebook.networks[0]
    assert isinstance(stored, Cells) and {record.network for record in records} == {0}
    network = replace(stored, lane_pixels=30)
    data = []
    for record, (height, width) in zip(records, CELL_SIZES, strict=True):
        symbols = read_record(stored, record.data, codebook.tables, height=height, width=width)
        data.append(write_record(network, symbols, codebook.tables))
    return data, network, codebook.tables


def siren_network(widths: tuple[int, ...], first_table: int, *, based: bool) -> Siren:
    """A siren whose tables are ``first_table`` and the two behind it."""
    groups = 2 * (len(widths) - 1)
    steps = (0.02, 0.02) + (0.004, 0.004) * (groups // 2 - 2) + (0.02, 0.02)
    tables = (first_table, first_table + 1) * (groups // 2)
    network = Siren(widths, 20.0, steps, tables, first_table + 2)
    if not based:
        return network
    base = np.random.default_rng(1).normal(0, 0.05, network.parameter_count).astype(np.float16).astype(np.float32)
    return Siren(widths, 20.0, steps, tables, first_table + 2, base)


def mixed_file() -> DeviceRecords:
    """Three images of cells and two sirens of unlike shapes, one of them with a base, in one file."""
    data, cells, cell_tables = _cells_records(grey=False)
    rng = np.random.default_rng(0)
    sample = np.round(rng.normal(0, 12, 4000)).astype(int)
    extra = [
        SymbolTable.from_values(sample, complete=False),
        SymbolTable.from_values(sample * 40, complete=False),
        SymbolTable.from_values(np.arange(-8, 9), complete=False),
    ]
    tables = TableSet.of([*cell_tables.tables, *extra])
    first = len(cell_tables.tables)
    sirens = [siren_network((2, 20, 20, 3), first, based=True), siren_network((2, 8, 6, 7, 3), first, based=False)]
    shapes = [(0, *size) for size in CELL_SIZES]
    for number, (network, size) in enumerate(zip(sirens, SIREN_SIZES, strict=True), start=1):
        symbols = np.round(rng.normal(0, 12, (1, network.parameter_count))).astype(int)
        symbols[0, ::97] = -20000 + np.arange(len(symbols[0, ::97]))  # patches
        symbols[0, ::97] //= 400
        data += write_records(network, symbols, np.array([number]), tables)
        shapes.append((number, *size))
    codebook = Codebook(tables, (cells, *sirens))
    return join_records(data, codebook, shapes=np.array(shapes, np.int64), device=DEVICE)


def grey_file() -> DeviceRecords:
    """One image of one channel."""
    data, cells, tables = _cells_records(grey=True)
    shapes = np.array([(0, *CELL_SIZES[0])], np.int64)
    return join_records(data[:1], Codebook(tables, (cells,)), shapes=shapes, device=DEVICE)


def in_frames(scratch: Scratch) -> Callable[[], bool]:
    """Move a scratch into larger memory; returns what checks that nothing around it has changed."""
    frames = []
    parts = [scratch, *scratch.families]
    for part in parts:
        for name in (field.name for field in fields(part)):
            held = getattr(part, name)
            if isinstance(held, Bodies):
                parts.append(held)
            if isinstance(held, torch.Tensor):
                frame = torch.full((held.numel() + 2 * _GUARD,), 77, dtype=held.dtype, device=held.device)
                object.__setattr__(part, name, frame[_GUARD:-_GUARD].reshape(held.shape))
                frames.append(frame)

    def intact() -> bool:
        return all(bool((f[:_GUARD] == 77).all()) and bool((f[-_GUARD:] == 77).all()) for f in frames)

    return intact


def weights_of(records: DeviceRecords, rows: tuple[int, ...]) -> tuple[Plan, Scratch]:
    """The plan of the mixed file, and a scratch that holds the weights of ``rows``."""
    plan = Plan.of(records.file)
    scratch = plan.scratch(len(rows))
    intact = in_frames(scratch)
    read(plan, records, rows=torch.tensor(rows, device=records.device), scratch=scratch)
    assert intact()
    return plan, scratch


def of_cells(plan: Plan, scratch: Scratch) -> tuple[CellsPlan, CellsScratch]:
    """The part of ``cells``."""
    return _part(plan, scratch, CellsPlan)


def of_siren(plan: Plan, scratch: Scratch) -> tuple[SirenPlan, SirenScratch]:
    """The part of ``siren``."""
    return _part(plan, scratch, SirenPlan)


def _part(plan: Plan, scratch: Scratch, kind: type) -> tuple[Any, Any]:
    parts = zip((family.plan for family in plan.families), scratch.families, strict=True)
    return next((own, held) for own, held in parts if isinstance(own, kind))
