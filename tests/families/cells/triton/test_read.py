"""Records of cells to symbols, means and starts on the device."""

import numpy as np

from inrformat.families.cells.nodes import node_sides
from inrformat.families.cells.reference import means_of, quantization_step

from ....decoding.triton.small_files import CELL_ROWS
from .scratch import in_node_order, symbols_of, weights_in_order


def test_symbols_and_means_are_the_compiled_reader_s(mixed, cells_weights):
    _, scratch = cells_weights
    for sample, row in enumerate(CELL_ROWS):
        network, symbols = symbols_of(mixed, row)
        assert float(scratch.steps[sample]) == quantization_step(network, symbols.scale)

        sides = node_sides(symbols.height, symbols.width)
        classes = in_node_order(symbols.classes, sides)
        assert np.array_equal(scratch.classes[sample, : len(classes)].cpu(), classes)
        means = in_node_order({s: np.moveaxis(m, 0, -1) for s, m in means_of(network, symbols).items()}, sides)
        read = scratch.node_means[sample, : means.size].reshape(means.shape).cpu()
        exists = classes >= 0
        assert np.allclose(read[exists], means[exists], rtol=1e-5, atol=1e-4)

        items, starts = scratch.bodies.items[sample].cpu(), scratch.starts[sample].cpu()
        for node, weights in weights_in_order(network, symbols).items():
            start = int(starts[node])
            assert np.array_equal(items[start : start + len(weights)], weights)
