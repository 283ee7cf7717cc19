"""Files at URLs are taken by every command that reads files."""

import json

import pytest

from inrformat import InrdReader
from inrformat.cli.main import main
from inrformat.errors import RemoteError
from tests.files.conftest import column


@pytest.fixture
def url(whole_file):
    fsspec = pytest.importorskip("fsspec", reason="URLs are opened by fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/files/whole.inrd", whole_file.read_bytes())
    yield "memory://files/whole.inrd"
    memory.rm("/files", recursive=True)


def test_records_of_a_file_elsewhere_are_copied(url, class_files, whole_file, tmp_path):
    assert main(["subset", url, str(tmp_path / "s.inrd"), "--classes", "coffee"]) == 0
    assert main(["split", url, str(tmp_path / "p"), "--parts", "2"]) == 0
    assert main(["merge", url, str(class_files[0]), str(tmp_path / "m.inrd"), "--prefix"]) == 0
    with InrdReader(whole_file) as whole, InrdReader(tmp_path / "s.inrd") as some:
        assert some.records(range(6)) == whole.records(range(6, 12))
    assert column(tmp_path / "m.inrd", "name")[0] == "whole/astronaut/tile_0.png"


def test_a_file_elsewhere_is_described_and_exported(url, tmp_path, capsys):
    assert main(["stats", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class_counts"] == {"astronaut": 6, "coffee": 6}
    assert main(["preview", url, str(tmp_path / "p.png"), "--count", "2"]) == 0
    assert main(["export", url, str(tmp_path / "out"), "--format", "webp"]) == 0
    assert len([*(tmp_path / "out").rglob("*.webp")]) == 12


def test_a_file_that_is_not_there_is_named_once(url):
    missing = url.replace("whole", "none")
    with pytest.raises(RemoteError) as caught:
        InrdReader(missing)
    assert str(caught.value).count(missing) == 1
