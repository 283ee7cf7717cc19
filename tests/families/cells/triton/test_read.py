"""Records of cells to symbols, means and sides on the device."""

import torch

from inrformat.families.cells.reference import read_weights

from ....decoding.triton.small_files import CELL_ROWS


def test_weights_are_the_reference_s(mixed, cells_weights):
    plan, scratch = cells_weights
    for sample, row in enumerate(CELL_ROWS):
        number, height, width = mixed.shapes[row].tolist()
        network = mixed.networks[number]
        decoder = mixed.decoder(
            torch.tensor([row], device=mixed.device), lanes=network.lanes(height=height, width=width)
        )
        expected = read_weights(network, decoder, height=height, width=width)
        rows, columns = expected.sides.shape[1:]
        sides = scratch.cell_sides[sample].reshape(-1, plan.fine_columns)[:rows, :columns] & 255
        assert torch.equal(sides, expected.sides[0].int())
        step = float(scratch.steps[sample])
        stored = scratch.symbols[sample, plan.plane_start :][: 3 * plan.plane_size].reshape(3, -1, plan.plane_width)
        means = scratch.cell_means[sample].reshape(3, -1, plan.fine_columns)
        for side, planes in expected.planes.items():
            here = (sides == side).repeat_interleave(8, 0).repeat_interleave(8, 1)
            wanted = planes[0, :, : 8 * rows, : 8 * columns]
            y, x = torch.where(here)
            mean = (y % side == 0) & (x % side == 0)
            coded = torch.zeros(0) if mean.all() else wanted[:, y[~mean], x[~mean]] / step
            assert torch.equal(stored[:, y[~mean], x[~mean]].float(), coded.reshape(3, -1).round())
            assert torch.allclose(means[:, y[mean] // 8, x[mean] // 8], wanted[:, y[mean], x[mean]], rtol=1e-6)
