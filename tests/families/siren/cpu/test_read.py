"""Compiled reading of ``siren`` records against the normative coder."""

import numpy as np
import pytest
import torch

from inrformat.coding.rans import RansDecoder
from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.decoding.cpu.batch import Batch
from inrformat.families.siren import reference
from inrformat.families.siren.cpu.descriptors import flatten
from inrformat.families.siren.cpu.read import read_records as read_compiled
from inrformat.families.siren.descriptor import Siren
from inrformat.families.siren.record import read_records, write_records

WIDTHS = (2, 15, 15, 15, 3)


@pytest.mark.parametrize("with_base", [False, True])
def test_symbols_are_exactly_those_of_the_normative_coder(with_base):
    rng = np.random.default_rng(0)
    steps, groups = tuple(0.01 * (g + 1) for g in range(8)), (0, 1) * 4
    base = rng.normal(size=573).astype(np.float16).astype(np.float32) if with_base else None
    network = Siren(WIDTHS, 30.0, steps, groups, 2, base)
    symbols, scales = rng.integers(-300, 300, (1, network.parameter_count)), rng.integers(-24, 8, 1)
    tables = TableSet.of([SymbolTable.from_values(v) for v in (symbols, symbols, scales)])
    [record] = write_records(network, symbols, scales, tables)
    lanes = network.lanes(height=32, width=32)
    prepared = flatten(network, tables)
    words, side = np.frombuffer(record, np.uint16), np.array([32])
    slots, ends = tables.slots.reshape(-1), np.array([len(words)])
    batch = Batch(slots, tables.low_bits, words, np.array([0]), ends, side, side, np.array([lanes]))
    status = np.zeros(1, np.int64)
    [padded] = read_compiled(prepared, batch, np.array([0]), np.zeros((1, 4)), status)
    read_scales, read_symbols = read_records(network, RansDecoder([record], tables, lanes=lanes))
    expected = reference.dequantize(network, torch.from_numpy(read_scales), torch.from_numpy(read_symbols))[0].numpy()
    assert status[0] == 0
    assert len(expected) == len(prepared.places) == 573
    assert (read_symbols == symbols).all()
    # With a base, what remains of a difference has the rounding of its two parts.
    np.testing.assert_allclose(padded[prepared.places], expected, rtol=1e-6, atol=1e-7 if with_base else 1e-9)
    assert np.count_nonzero(np.delete(padded, prepared.places)) == 0
