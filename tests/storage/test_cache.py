import os

import pytest

from inrformat.errors import UsageError
from inrformat.storage.cache import BlockCache, Version, cache_limit_bytes

VERSION = Version(1000, "ETag=1")


def test_blocks_come_back_and_versions_do_not_mix(tmp_path):
    cache = BlockCache("http://x/y", root=tmp_path, limit_bytes=1000)
    cache.put(VERSION, 0, b"old")
    assert cache.get(VERSION, 0, 3) == b"old"
    assert cache.get(Version(1000, "ETag=2"), 0, 3) is None
    assert cache.get(Version(999, "ETag=1"), 0, 3) is None


def test_a_block_of_another_length_is_no_block(tmp_path):
    cache = BlockCache("http://x/y", root=tmp_path, limit_bytes=1000)
    cache.put(VERSION, 0, b"half")
    assert cache.get(VERSION, 0, 8) is None


def test_what_was_used_least_recently_goes_first(tmp_path):
    cache = BlockCache("http://x/y", root=tmp_path, limit_bytes=25)
    for number in range(2):
        cache.put(VERSION, number, b"x" * 10)
    for path in tmp_path.glob("*/*/*"):
        os.utime(path, ns=(int(path.name), int(path.name)))
    assert cache.get(VERSION, 0, 10) is not None
    cache.put(VERSION, 2, b"x" * 10)
    assert [cache.get(VERSION, number, 10) is not None for number in range(3)] == [True, False, True]


def test_a_limit_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("INRFORMAT_CACHE_BYTES", "10G")
    with pytest.raises(UsageError, match="10G"):
        cache_limit_bytes()
