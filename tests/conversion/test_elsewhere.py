"""Sources and outputs that are elsewhere: on a real S3 server on loopback, over HTTP, in fsspec's memory."""

import io
import socket
import tarfile
import urllib.request

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from inrformat import CellsOptions, InrdDataset, convert
from inrformat.errors import OutputExistsError, RemoteError, SourceError
from inrformat.storage.upload import Destination
from tests.storage.server import serving

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


def test_tar_shards_and_tables_of_images_are_read_over_http_by_ranges(photo_tiles, tmp_path):
    pytest.importorskip("aiohttp", reason="remote files over HTTP need aiohttp")
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for number, tile in enumerate(photo_tiles["coffee"]):
            for suffix, data in (("png", png(tile)), ("cls", b"%d" % (number % 2))):
                entry = tarfile.TarInfo(f"{number}.{suffix}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    convert(tmp_path / "x.tar", tmp_path / "here.inrd", OPTIONS)
    with serving((tmp_path / "x.tar").read_bytes()) as server:
        convert(server.url.rpartition("/")[0] + "/x.tar", tmp_path / "there.inrd", OPTIONS)
        assert server.asked
    assert (tmp_path / "there.inrd").read_bytes() == (tmp_path / "here.inrd").read_bytes()
    with serving(png(photo_tiles["coffee"][0])) as server:
        (tmp_path / "m.csv").write_text(f"path,label\n{server.url},cup\n")
        assert convert(tmp_path / "m.csv", tmp_path / "table.inrd", OPTIONS).samples == 1


def test_credentials_reach_shards_in_a_bucket(photo_tiles, bucket, tmp_path):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        data = png(photo_tiles["coffee"][0])
        entry = tarfile.TarInfo("0.png")
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    fsspec.filesystem("s3", **bucket).pipe_file("sets/0.tar", file.getvalue())
    assert convert("s3://sets/0.tar", tmp_path / "x.inrd", OPTIONS, storage_options=bucket).samples == 1


def png(tile):
    file = io.BytesIO()
    Image.fromarray(tile).save(file, "PNG")
    return file.getvalue()
