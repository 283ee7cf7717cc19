"""A cache of its own for every test here, and a server of a file of many blocks."""

import numpy as np
import pytest

from inrformat.container.metadata import Metadata
from inrformat.container.writer import InrdWriter
from inrformat.storage import connection
from tests.storage.server import serving

RECORD_BYTES = 40_000
RECORD_COUNT = 40


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    """An empty cache; pauses between attempts are short."""
    monkeypatch.setenv("INRFORMAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("INRFORMAT_OFFLINE", raising=False)
    monkeypatch.setattr(connection, "_FIRST_PAUSE_S", 0.01)
    return tmp_path / "cache"


@pytest.fixture
def records():
    """Records of noise, as no two files have them."""
    noise = np.random.default_rng(0)
    return [noise.bytes(RECORD_BYTES) for _ in range(RECORD_COUNT)]


def file_of(path, records):
    """The bytes of an .inrd file of ``records``."""
    with InrdWriter(path) as writer:
        for record in records:
            writer.add(record, height=32, width=32, network=0, psnr_db=30)
        writer.finish(codebook={"tables": [], "networks": []}, metadata=Metadata())
    return path.read_bytes()


@pytest.fixture
def body(tmp_path, records):
    """A file of 1.6 MB."""
    return file_of(tmp_path / "x.inrd", records)


@pytest.fixture
def server(body):
    """Serves ``body``."""
    pytest.importorskip("aiohttp", reason="remote files over HTTP need aiohttp")
    with serving(body) as served:
        yield served
