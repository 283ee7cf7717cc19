"""Kernels run on a GPU where there is one, else in Triton's interpreter (``tests/conftest.py``)."""

import pytest
import torch

from .small_files import ROWS, grey_file, mixed_file, weights_of


@pytest.fixture(scope="session")
def mixed():
    """``mixed_file``."""
    return mixed_file()


@pytest.fixture(scope="session")
def grey():
    """``grey_file``."""
    return grey_file()


@pytest.fixture(scope="session")
def weights(mixed):
    """``weights_of`` ROWS."""
    return weights_of(mixed, ROWS)


@pytest.fixture(scope="session", autouse=True)
def large_tiles():
    """In the interpreter an operation costs the same whatever its size."""
    from inrformat.families.siren.triton import points

    with pytest.MonkeyPatch.context() as patch:
        if not torch.cuda.is_available():
            patch.setattr(points, "tiling", lambda *_, **__: points.Tiling(side=32, options={"num_warps": 8}))
        yield
