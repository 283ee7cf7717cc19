"""The example for torchdata; tests/data/test_torchdata.py has more of it."""

import pytest

pytest.importorskip("torchdata", reason='torchdata is not installed: pip install "inrformat[torchdata]"')


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_the_example_goes_on_where_it_stopped(tile_file, example, workers):
    module = example("torchdata_resume")
    whole = [labels.tolist() for _, labels in module.batches(tile_file, workers=workers)]
    assert module.interrupted(tile_file, workers=workers) == whole
