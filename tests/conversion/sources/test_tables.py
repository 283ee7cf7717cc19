"""Manifests and WebDataset: columns get the types their values have; mistakes name file and line."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from inrformat import InrdDataset, convert
from inrformat.conversion.sources.manifest import scan_manifest
from inrformat.conversion.sources.webdataset import expanded, scan_webdataset
from inrformat.errors import SourceError


@pytest.fixture
def images(tmp_path, photo_tiles):
    (tmp_path / "in/a").mkdir(parents=True)
    for number, tile in enumerate(photo_tiles["coffee"][:4]):
        Image.fromarray(tile).save(tmp_path / f"in/a/{number}.png")
    return tmp_path / "in"


def columns(source):
    return {field.name: list(field.values) for field in source.fields}


def test_a_table_keeps_every_column_in_the_type_of_its_values(images, tmp_path):
    (images / "m.csv").write_text(
        "path,label,score,count,note,points\n"
        'a/0.png,dog,0.5,1,good,"[1, 2]"\na/1.png,cat,1,2,"x, y",[3]\na/2.png,dog,1e3,3,,[]\n'
    )
    source = scan_manifest(images / "m.csv")
    assert source.classes == ("cat", "dog")
    assert columns(source) == {
        "label": [1, 0, 1],
        "score": [0.5, 1.0, 1000.0],
        "count": [1, 2, 3],
        "note": ["good", "x, y", ""],
        "points": [[1, 2], [3], []],
    }
    convert(images / "m.csv", tmp_path / "x.inrd")
    assert list(InrdDataset(tmp_path / "x.inrd").targets) == [1, 0, 1]


def test_json_lines_and_several_classes(images):
    lines = [
        {"file_name": f"a/{k}.png", "labels": ["x", "y"][: k + 1], "caption": "5", "values": [0.5, 1]} for k in range(2)
    ]
    (images / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = scan_manifest(images / "m.jsonl")
    assert source.classes == ("x", "y")
    assert columns(source) == {"labels": [[0], [0, 1]], "caption": ["5", "5"], "values": [[0.5, 1.0]] * 2}
    (images / "m.tsv").write_text("image\tlabels\na/0.png\t2;0\n")
    assert columns(scan_manifest(images / "m.tsv")) == {"labels": [[2, 0]]}


@pytest.mark.parametrize(
    "name,text,message",
    [
        ("m.csv", "", "no images in it"),
        ("m.csv", "path\n", "no images in it"),
        ("m.csv", "what\n1\n", "no column of images"),
        ("m.csv", "path,x\na/0.png\n", "line 2: 1 .*, 2 columns"),
        ("m.csv", "path\na/0.png\na/1.png\na/0.png\n", "line 2: a/0.png is there 2 times"),
        ("m.csv", "path,path\na,b\n", "line 1: two columns"),
        ("m.csv", "path,boxes\na/0.png,x\n", "a column 'boxes' is float64"),
        ("m.jsonl", '{"path": "a"}\nnope\n', "line 2: not JSON"),
        ("m.jsonl", '{"path": "a"}\n[1]\n', "line 2: expected an object"),
        ("m.jsonl", '{"path": "a"}\n{"path": "b", "x": 1}\n', "line 2: keys .'x'."),
        ("m.jsonl", '{"path": "a", "x": null}\n', "column 'x' cannot be stored"),
    ],
)
def test_mistakes_name_file_and_line(images, name, text, message):
    (images / name).write_text(text)
    with pytest.raises(SourceError, match=rf"{name}.*{message}"):
        scan_manifest(images / name)


def test_a_class_that_is_not_among_the_names_is_refused(images):
    (images / "m.csv").write_text("path,label\na/0.png,cow\n")
    with pytest.raises(SourceError, match="class 'cow' is none of cat, dog"):
        scan_manifest(images / "m.csv", class_names=["cat", "dog"])


def test_a_missing_image_is_named_when_it_is_read(images, tmp_path):
    (images / "m.csv").write_text("path\na/0.png\na/nowhere.png\n")
    with pytest.raises(SourceError, match=r"m\.csv/a/nowhere\.png"):
        convert(images / "m.csv", tmp_path / "x.inrd")


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def png(tile):
    file = io.BytesIO()
    Image.fromarray(tile).save(file, "PNG")
    return file.getvalue()


def test_webdataset_shards_are_read_in_place_with_their_targets(tmp_path, photo_tiles):
    tiles = photo_tiles["coffee"]
    for shard in range(2):
        members = []
        for k in range(3):
            meta = json.dumps({"score": k / 2, "source": "web"}).encode()
            members += [(f"d/{k}.png", png(tiles[3 * shard + k])), (f"d/{k}.cls", b"%d" % k), (f"d/{k}.json", meta)]
        write_tar(tmp_path / f"s-{shard:03}.tar", members)
    pattern = str(tmp_path / "s-{000..001}.tar")
    assert expanded(pattern) == [str(tmp_path / "s-000.tar"), str(tmp_path / "s-001.tar")]
    source = scan_webdataset(expanded(pattern))
    assert source.names[:2] == ("s-000/d/0.png", "s-000/d/1.png")  # the keys repeat
    assert columns(source) == {"label": [0, 1, 2] * 2, "score": [0.0, 0.5, 1.0] * 2, "source": ["web"] * 6}
    for given, name in ((pattern, "a"), (tmp_path, "b"), ([tmp_path / "s-000.tar", tmp_path / "s-001.tar"], "c")):
        convert(given, tmp_path / f"{name}.inrd", quality=95)
    dataset = InrdDataset(tmp_path / "a.inrd")
    assert dataset.classes == ["0", "1", "2"] and list(dataset.targets) == [0, 1, 2] * 2
    for number, tile in enumerate(tiles[:6]):
        difference = dataset[number][0].permute(1, 2, 0).numpy().astype(int) - tile
        assert np.abs(difference).mean() < 3
    assert (
        (tmp_path / "b.inrd").read_bytes() == (tmp_path / "a.inrd").read_bytes() == (tmp_path / "c.inrd").read_bytes()
    )


@pytest.mark.parametrize(
    "members,message",
    [
        ([("a.txt", b"x")], "no images"),
        ([("a.png", b"1"), ("a.jpg", b"1")], "a: two images in one sample"),
        ([("a.png", b"1"), ("a.cls", b"cat")], "a.cls: invalid literal"),
        ([("a.png", b"1"), ("a.cls", b"1"), ("b.png", b"1")], "b.png has no 'label'"),
        ([("a.png", b"1"), ("a.json", b"{")], "a.json"),
    ],
)
def test_mistakes_in_tar_files_are_named(tmp_path, members, message):
    write_tar(tmp_path / "x.tar", members)
    with pytest.raises(SourceError, match=rf"x\.tar.*{message}"):
        scan_webdataset([str(tmp_path / "x.tar")])


def test_what_is_no_plain_tar_file_is_refused(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(SourceError, match="not a plain tar file"):
        scan_webdataset([str(tmp_path / "x.tar")])
    with pytest.raises(SourceError, match="nowhere"):
        scan_webdataset([str(tmp_path / "nowhere.tar")])
