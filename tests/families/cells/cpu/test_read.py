"""Compiled reading of ``cells`` records against the reference."""

import numpy as np
import pytest
from skimage import data as photographs

from inrformat.coding.rans import RansDecoder
from inrformat.decoding.cpu.batch import Sample
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.families.cells import reference
from inrformat.families.cells.cpu.descriptors import flatten
from inrformat.families.cells.cpu.read import View, read_record
from inrformat.families.cells.encoder.options import CellsOptions

WHOLE = View(-1.0, 1e9, -1.0, 1e9)
SIZES = [(72, 96), (90, 126), (45, 67)]
"""None a multiple of the largest cell."""


@pytest.fixture(scope="module")
def coded():
    """The codebook and the records."""
    coffee, astronaut = photographs.coffee(), photographs.astronaut()
    images = [coffee[100:172, 200:296], astronaut[::4, ::4][:90, :126], coffee[::9, ::9]]
    encoded = encode_in_memory(images, CellsOptions(quality=70))
    return encoded.records.codebook, encoded.encoded


def sample_of(codebook, record):
    network = codebook.networks[record.network]
    lanes = network.lanes(height=record.height, width=record.width)
    return Sample(codebook.tables.slots, np.frombuffer(record.data, np.uint16), record.height, record.width, lanes)


def planes_of(network, sparse, shape):
    """``CellWeights`` of one image: weights by side, and the side of the cell at each place of the 8 px grid."""
    rows, columns = sparse.cell_at.shape
    planes = {s: np.zeros((network.channels, -(-shape[0] // s) * s, -(-shape[1] // s) * s)) for s in (32, 16, 8)}
    sides = np.zeros((rows, columns), np.uint8)
    levels = np.searchsorted(sparse.level_ends, sparse.cell_at, side="right")
    for row in range(rows):
        for column in range(columns):
            cell, side = sparse.cell_at[row, column], 64 >> levels[row, column]
            sides[row, column] = side
            y, x = 8 * row // side * side, 8 * column // side * side
            for channel in range(network.channels):
                begin, end = sparse.starts[cell * network.channels + channel :][:2]
                b, a = np.divmod(sparse.units[begin:end], side)
                planes[side][channel, y + b, x + a] = sparse.weights[begin:end]
    return planes, sides


@pytest.mark.parametrize("number", range(3))
def test_weights_are_those_of_the_reference(coded, number):
    codebook, record = coded[0], coded[1][number]
    network, sample = codebook.networks[record.network], sample_of(codebook, record)
    status, sparse = read_record(flatten(network), sample, WHOLE)
    decoder = RansDecoder([record.data], codebook.tables, lanes=sample.lanes)
    expected = reference.read_weights(network, decoder, height=record.height, width=record.width)
    planes, sides = planes_of(network, sparse, (record.height, record.width))
    assert status == 0
    assert (record.height, record.width) == SIZES[number]
    np.testing.assert_array_equal(sides, expected.sides[0].numpy())
    for side, plane in planes.items():
        np.testing.assert_allclose(plane, expected.planes[side][0].numpy(), rtol=1e-5, atol=1e-3)


def test_cells_out_of_view_have_no_weights_and_the_others_all_of_theirs(coded):
    codebook, record = coded[0], coded[1][1]
    network, sample = flatten(codebook.networks[record.network]), sample_of(codebook, record)
    _, whole = read_record(network, sample, WHOLE)
    _, part = read_record(network, sample, View(20.0, 40.0, 70.0, 100.0))
    np.testing.assert_array_equal(part.cell_at, whole.cell_at)
    seen = np.unique(whole.cell_at[20 // 8 : 40 // 8 + 1, 70 // 8 : 100 // 8 + 1])
    for cell in range(whole.level_ends[-1]):
        kept, all_of_them = (
            slice(w.starts[cell * network.channels], w.starts[(cell + 1) * network.channels]) for w in (part, whole)
        )
        if cell in seen:
            np.testing.assert_array_equal(part.units[kept], whole.units[all_of_them])
            np.testing.assert_array_equal(part.weights[kept], whole.weights[all_of_them])
        else:
            assert kept.start == kept.stop
