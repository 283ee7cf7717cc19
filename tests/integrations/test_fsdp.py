"""Fully sharded data parallel: processes that share a model share an epoch."""

import json

import pytest

from inrformat import InrdReader


@pytest.mark.slow
def test_the_example_shares_an_epoch_among_its_processes(tile_file, launched):
    seen = json.loads(launched("fsdp.py", tile_file, processes=2, CUDA_VISIBLE_DEVICES=""))
    with InrdReader(tile_file) as reader:
        names = reader.text_field("name")
    assert [len(of_one) for of_one in seen] == [6, 6]
    assert sorted(name for of_one in seen for name in of_one) == sorted(names or ())
