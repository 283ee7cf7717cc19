"""The mixed file of the Triton decoder's tests, of which three records are cells."""

import pytest

from ....decoding.triton.small_files import CELL_ROWS, mixed_file, of_cells, weights_of


@pytest.fixture(scope="session")
def mixed():
    """``mixed_file``."""
    return mixed_file()


@pytest.fixture(scope="session")
def cells_weights(mixed):
    """The plan and scratch of ``cells``, which holds the weights of CELL_ROWS."""
    return of_cells(*weights_of(mixed, CELL_ROWS))
