"""Data sets and loaders of files that are elsewhere, against a real server on the loopback device."""

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from inrformat import InrdDataset, InrdLoader, RemoteError
from tests.storage.server import serving


@pytest.fixture
def url(tile_file, tmp_path, monkeypatch):
    pytest.importorskip("aiohttp", reason="remote files over HTTP need aiohttp")
    monkeypatch.setenv("INRFORMAT_CACHE", str(tmp_path / "cache"))
    with serving(tile_file.read_bytes()) as server:
        yield server.url


@pytest.mark.parametrize("residency", ["device", "pinned", "mmap", "auto"])
def test_a_loader_takes_a_url_with_every_residency(url, tile_file, residency):
    near, far = (InrdLoader(source, 5, device="cpu", residency=residency) for source in (str(tile_file), url))
    for (images, labels), (expected_images, expected_labels) in zip(far, near, strict=True):
        assert torch.equal(images, expected_images)
        assert torch.equal(labels, expected_labels)


def test_shards_may_be_near_and_far(url, tile_file):
    assert sum(len(images) for images, _ in InrdLoader([url, tile_file], 5, device="cpu")) == 24


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_workers_read_a_remote_data_set(url, tile_file, method):
    far, near = InrdDataset(url), InrdDataset(tile_file)
    loader: DataLoader[Any] = DataLoader(far, 4, num_workers=2, multiprocessing_context=method)
    images = torch.cat([batch for batch, _ in loader])
    assert torch.equal(images, torch.stack([near[k][0] for k in range(len(near))]))


def test_a_data_set_hands_its_options_on(url):
    with pytest.raises(RemoteError, match="local_files_only"):
        InrdDataset(url, local_files_only=True)
    InrdDataset(url)[0]
    assert len(InrdDataset(url, local_files_only=True)) == 12
