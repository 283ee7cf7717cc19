"""The mixed file of the Triton decoder's tests, of which two records are sirens."""

import pytest

from ....decoding.triton.small_files import SIREN_ROWS, mixed_file, of_siren, weights_of


@pytest.fixture(scope="session")
def mixed():
    """``mixed_file``."""
    return mixed_file()


@pytest.fixture(scope="session")
def siren_weights(mixed):
    """The plan and scratch of ``siren``, which holds the parameters of SIREN_ROWS."""
    return of_siren(*weights_of(mixed, SIREN_ROWS))
