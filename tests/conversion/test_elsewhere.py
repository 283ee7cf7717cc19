"""Sources and outputs that are elsewhere: on a real S3 server on loopback, over HTTP, in fsspec's memory."""

import socket
import urllib.request

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from inrformat import CellsOptions, InrdDataset, convert
from inrformat.errors import OutputExistsError, RemoteError, SourceError
from inrformat.storage.upload import Destination

OPTIONS = CellsOptions(quality=60.0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("INRFORMAT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def bucket(monkeypatch):
    """Options for an S3 server with an empty bucket "sets"."""
    server_of = pytest.importorskip("moto.server", reason="the S3 server of these tests is moto's")
    pytest.importorskip("s3fs", reason="S3 needs s3fs")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    server.start()
    options = {"endpoint_url": f"http://127.0.0.1:{port}"}
    fsspec.filesystem("s3", **options).mkdir("sets")
    yield options
    urllib.request.urlopen(f"{options['endpoint_url']}/moto-api/reset", data=b"").close()
    server.stop()
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.fixture
def whole(photo_folder, tmp_path):
    convert(photo_folder, tmp_path / "whole.inrd", OPTIONS)
    return (tmp_path / "whole.inrd").read_bytes()


def test_class_folders_in_a_bucket_become_a_file_in_a_bucket(photo_folder, whole, bucket):
    system = fsspec.filesystem("s3", **bucket)
    system.put(str(photo_folder), "sets/photos", recursive=True)
    summary = convert("s3://sets/photos", "s3://sets/x.inrd", OPTIONS, storage_options=bucket)
    assert summary.output == "s3://sets/x.inrd" and summary.samples == 12
    assert system.cat_file("sets/x.inrd") == whole
    dataset = InrdDataset("s3://sets/x.inrd", storage_options=bucket)
    assert dataset.classes == ["astronaut", "coffee"]
    with pytest.raises(OutputExistsError):
        convert(photo_folder, "s3://sets/x.inrd", OPTIONS, storage_options=bucket)
    again = convert(dataset, "s3://sets/again.inrd", OPTIONS, storage_options=bucket)
    assert again.samples == 12


def test_shards_are_brought_to_a_bucket_one_by_one_and_the_manifest_last(photo_folder, bucket, tmp_path):
    convert(photo_folder, tmp_path / "here", OPTIONS, shards=2)
    convert(photo_folder, "s3://sets/out", OPTIONS, shards=2, storage_options=bucket)
    system = fsspec.filesystem("s3", **bucket)
    names = sorted(path.rpartition("/")[2] for path in system.find("sets/out"))
    assert names == ["manifest.json", "shard-00000-of-00002.inrd", "shard-00001-of-00002.inrd"]
    for name in names[1:]:
        assert system.cat_file(f"sets/out/{name}") == (tmp_path / "here" / name).read_bytes()
    assert convert(photo_folder, "s3://sets/out", OPTIONS, shards=2, resume=True, storage_options=bucket).samples == 12


def test_a_folder_that_is_not_there_is_named(bucket):
    with pytest.raises(SourceError, match="s3://sets/nowhere: no images"):
        convert("s3://sets/nowhere", "s3://sets/y.inrd", storage_options=bucket)


def test_an_upload_that_fails_leaves_nothing_there_and_the_file_here(photo_folder, whole, monkeypatch):
    def broken(self, *arguments, **options):
        raise ConnectionResetError("the line went dead")

    memory = fsspec.filesystem("memory")
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "put_file", broken)
        with pytest.raises(RemoteError, match=r"memory://bin/x\.inrd: cannot be written .*dead.*--resume uploads"):
            convert(photo_folder, "memory://bin/x.inrd", OPTIONS)
    assert not memory.exists("/bin/x.inrd") and Destination("memory://bin/x.inrd").local.read_bytes() == whole
    convert(photo_folder, "memory://bin/x.inrd", OPTIONS, resume=True)
    assert memory.cat_file("/bin/x.inrd") == whole and not Destination("memory://bin/x.inrd").local.exists()
    memory.rm("/bin", recursive=True)


def test_a_file_system_without_objects_gets_the_name_last(photo_folder, whole, tmp_path):
    convert(photo_folder, f"file://{tmp_path}/far/away/x.inrd", OPTIONS)
    assert [p.name for p in (tmp_path / "far/away").iterdir()] == ["x.inrd"]
    assert (tmp_path / "far/away/x.inrd").read_bytes() == whole
