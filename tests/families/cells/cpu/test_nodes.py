"""Compiled grids of nodes against those of the format."""

import numba
import pytest

from inrformat.families.cells.cpu.nodes import node_grids
from inrformat.families.cells.nodes import grid, node_sides


@numba.njit
def compiled(height, width):
    return node_grids(height, width)


@pytest.mark.parametrize("shape", [(1, 1), (8, 264), (33, 32), (64, 65), (300, 1000)])
def test_grids_are_those_of_the_format(shape: tuple[int, int]) -> None:
    grids, sides = compiled(*shape), node_sides(*shape)
    assert list(zip(grids.rows.tolist(), grids.columns.tolist(), strict=True)) == [grid(*shape, s) for s in sides]
    assert grids.levels.tolist() == [{32: 1, 16: 2, 8: 3}.get(s, 0) for s in sides]
    assert [int(n) for n in grids.first[1:] - grids.first[:-1]] == [r * c for r, c in (grid(*shape, s) for s in sides)]
