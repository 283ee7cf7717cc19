"""Compiled reading of ``cells`` records against the reference."""

import numpy as np
import pytest
from skimage import data as photographs

from inrformat.coding.rans import RansDecoder
from inrformat.decoding.cpu.batch import Batch
from inrformat.encoding.in_memory import encode_in_memory
from inrformat.families.cells import reference
from inrformat.families.cells.cpu.descriptors import flatten
from inrformat.families.cells.cpu.read import read_records, sparse_of
from inrformat.families.cells.encoder.options import CellsOptions

WHOLE = (-1.0, -1.0, 1e9, 1e9)
"""Left, top, right, bottom."""
SIZES = [(72, 96), (90, 126), (45, 67)]
"""None a multiple of the largest cell."""


@pytest.fixture(scope="module")
def coded():
    """The codebook and the records."""
    coffee, astronaut = photographs.coffee(), photographs.astronaut()
    images = [coffee[100:172, 200:296], astronaut[::4, ::4][:90, :126], coffee[::9, ::9]]
    encoded = encode_in_memory(images, CellsOptions(quality=70))
    return encoded.records.codebook, encoded.encoded


def read(coded, numbers, seen=WHOLE):
    """The weights of some records, read together as compiled code keeps them."""
    codebook, records = coded[0], [coded[1][number] for number in numbers]
    networks = {record.network for record in records}
    assert len(networks) == 1
    network = codebook.networks[networks.pop()]
    shapes = [(record.height, record.width) for record in records]
    words = [np.frombuffer(record.data, np.uint16) for record in records]
    ends = np.cumsum([len(w) for w in words])
    batch = Batch(
        slots=codebook.tables.slots.reshape(-1),
        low_bits=codebook.tables.low_bits,
        words=np.concatenate(words),
        first=ends - [len(w) for w in words],
        end=ends,
        heights=np.array([height for height, _ in shapes]),
        widths=np.array([width for _, width in shapes]),
        lanes=np.array([network.lanes(height=height, width=width) for height, width in shapes]),
    )
    status, bounds = np.zeros(len(records), np.int64), np.tile(np.array(seen), (len(records), 1))
    packed = read_records(flatten(network, codebook.tables), batch, np.arange(len(records)), bounds, status)
    assert not status.any()
    return network, [sparse_of(packed, n, network.channels, *shape) for n, shape in enumerate(shapes)]


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


def test_weights_of_several_records_are_those_of_the_reference(coded):
    codebook, records = coded
    network, several = read(coded, range(3))
    for record, sparse, size in zip(records, several, SIZES, strict=True):
        lanes = network.lanes(height=record.height, width=record.width)
        decoder = RansDecoder([record.data], codebook.tables, lanes=lanes)
        expected = reference.read_weights(network, decoder, height=record.height, width=record.width)
        planes, sides = planes_of(network, sparse, (record.height, record.width))
        assert (record.height, record.width) == size
        np.testing.assert_array_equal(sides, expected.sides[0].numpy())
        for side, plane in planes.items():
            np.testing.assert_allclose(plane, expected.planes[side][0].numpy(), rtol=1e-5, atol=1e-3)


def test_cells_out_of_view_have_no_weights_and_the_others_all_of_theirs(coded):
    network, [whole] = read(coded, [1])
    _, [part] = read(coded, [1], (70.0, 20.0, 100.0, 40.0))
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
