"""Records of cells to symbols, means and starts on the device."""

import numpy as np

from inrformat.families.cells.nodes import CELL_SIDES, node_sides
from inrformat.families.cells.record import read_record
from inrformat.families.cells.reference import means_of, quantization_step

from ....decoding.triton.small_files import CELL_ROWS


def in_node_order(by_side, sides):
    """Arrays ``(rows, columns, ...)`` of some sides, one node after the other."""
    return np.concatenate([by_side[side].reshape(-1, *by_side[side].shape[2:]) for side in sides])


def test_symbols_and_means_are_the_compiled_reader_s(mixed, cells_weights):
    _, scratch = cells_weights
    for sample, row in enumerate(CELL_ROWS):
        number, height, width = mixed.shapes[row].tolist()
        network = mixed.networks[number]
        first, length = int(mixed.offsets[row]), int(mixed.lengths[row])
        record = mixed.words.cpu().numpy().tobytes()[first : first + length]
        symbols = read_record(network, record, mixed.codebook.tables, height=height, width=width)
        assert float(scratch.steps[sample]) == quantization_step(network, symbols.scale)

        sides = node_sides(height, width)
        classes = in_node_order(symbols.classes, sides)
        assert np.array_equal(scratch.classes[sample, : len(classes)].cpu(), classes)
        means = in_node_order({s: np.moveaxis(m, 0, -1) for s, m in means_of(network, symbols).items()}, sides)
        read = scratch.node_means[sample, : means.size].reshape(means.shape).cpu()
        exists = classes >= 0
        assert np.allclose(read[exists], means[exists], rtol=1e-5, atol=1e-4)

        starts = scratch.starts[sample].cpu()
        node = len(classes) - sum(symbols.classes[side].size for side in CELL_SIDES)
        for side in CELL_SIDES:
            level, weights = network.level(side), iter(symbols.weights[side])
            for number in symbols.classes[side].ravel():
                if level.is_cell(number):
                    expected = [w[1:kept] for w, kept in zip(next(weights), level.kept[number], strict=True)]
                    wanted = np.concatenate(expected)
                    start = int(starts[node])
                    assert np.array_equal(scratch.bodies.items[sample, start : start + len(wanted)].cpu(), wanted)
                node += 1
