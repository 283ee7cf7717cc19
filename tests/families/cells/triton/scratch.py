"""What reading leaves of records of cells, made on the host: in Triton's interpreter reading takes long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inrformat.decoding.arena import Arena, measuring_arena
from inrformat.decoding.records import DeviceRecords
from inrformat.families.cells.descriptor import Cells
from inrformat.families.cells.nodes import CELL_SIDES, node_sides
from inrformat.families.cells.record import CellSymbols, read_record
from inrformat.families.cells.reference import means_of, quantization_step
from inrformat.families.cells.triton.plan import CellsPlan, CellsScratch


def symbols_of(records: DeviceRecords, row: int) -> tuple[Cells, CellSymbols]:
    """The network of a record and its symbols, by the compiled reader."""
    number, height, width = records.shapes[row].tolist()
    network = records.codebook.networks[number]
    assert isinstance(network, Cells)
    first, length = int(records.offsets[row]), int(records.lengths[row])
    data = records.words.cpu().numpy().tobytes()[first : first + length]
    return network, read_record(network, data, records.codebook.tables, height=height, width=width)


def in_node_order(by_side: dict[int, NDArray[Any]], sides: Sequence[int]) -> NDArray[Any]:
    """Arrays ``(rows, columns, ...)`` of some sides, one node after the other."""
    return np.concatenate([by_side[side].reshape(-1, *by_side[side].shape[2:]) for side in sides])


def weights_in_order(network: Cells, symbols: CellSymbols) -> dict[int, NDArray[np.int32]]:
    """Of each node that is a cell, by its number: its weights, channel after channel."""
    node = sum(symbols.classes[side].size for side in node_sides(symbols.height, symbols.width) if side > CELL_SIDES[0])
    found = {}
    for side in CELL_SIDES:
        level, weights = network.level(side), iter(symbols.weights[side])
        classes = symbols.classes[side].ravel()
        for number, is_cell in zip(classes, level.is_cell(classes), strict=True):
            if is_cell:
                kept = zip(next(weights), level.kept[number], strict=True)
                found[node] = np.concatenate([of_channel[1:count] for of_channel, count in kept])
            node += 1
    return found


def scratch_of(plan: CellsPlan, records: DeviceRecords, rows: Sequence[int]) -> CellsScratch:
    """What reading ``rows`` leaves; -1 where it leaves nothing."""
    needed = measuring_arena()
    plan.allocate(len(rows), needed)
    memory = torch.empty(needed.used_bytes, dtype=torch.uint8, device=records.device)
    scratch = plan.allocate(len(rows), Arena(memory))
    for tensor in (scratch.bodies.items, scratch.classes, scratch.starts, scratch.node_means):
        tensor.fill_(-1)
    for sample, row in enumerate(rows):
        network, symbols = symbols_of(records, row)
        sides = node_sides(symbols.height, symbols.width)
        classes = in_node_order(symbols.classes, sides)
        means = in_node_order({s: np.moveaxis(m, 0, -1) for s, m in means_of(network, symbols).items()}, sides)
        scratch.classes[sample, : len(classes)] = torch.from_numpy(classes)
        scratch.node_means[sample, : means.size] = torch.from_numpy(means.ravel())
        scratch.steps[sample] = float(quantization_step(network, symbols.scale))
        start = 7  # where weights begin is of no concern to what evaluates them
        for node, weights in weights_in_order(network, symbols).items():
            scratch.starts[sample, node] = start
            scratch.bodies.items[sample, start : start + len(weights)] = torch.from_numpy(weights)
            start += len(weights)
    return scratch
