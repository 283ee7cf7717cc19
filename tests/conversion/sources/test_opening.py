"""What a name stands for is found out by looking, or said; in doubt the error names the flag."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from inrformat import InrdDataset, InrdReader, convert
from inrformat.cli.main import main
from inrformat.conversion.sources.kinds import SourceKind
from inrformat.conversion.sources.opening import SourceQuestion, open_source
from inrformat.conversion.sources.recognizing import recognised
from inrformat.errors import SourceError, UsageError


@pytest.fixture
def photo(tmp_path, photo_tiles):
    Image.fromarray(photo_tiles["coffee"][0]).save(tmp_path / "one.png")
    return tmp_path / "one.png"


def copied(photo, *names):
    for name in names:
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_bytes(photo.read_bytes())


@pytest.mark.parametrize(
    "files,expected",
    [
        (["a/1.png"], SourceKind.FOLDER),
        (["1.png"], SourceKind.FOLDER),
        (["annotations/x.json", "images/1.png"], SourceKind.COCO),
        (["JPEGImages/1.jpg", "Annotations/1.xml"], SourceKind.VOC),
        (["images/train/1.png", "labels/train/1.txt"], SourceKind.YOLO),
        (["dataset_info.json", "data.arrow"], SourceKind.HUGGINGFACE),
        (["0.tar", "1.tar"], SourceKind.WEBDATASET),
        (["0.parquet"], SourceKind.PARQUET),
    ],
)
def test_folders_are_recognised_by_what_lies_in_them(tmp_path, files, expected):
    for name in files:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).touch()
    assert recognised(str(tmp_path / "set")) is expected


@pytest.mark.parametrize(
    "text,expected",
    [
        ("x.inrd", SourceKind.INRD),
        ("https://host/x.inrd", SourceKind.INRD),
        ("s3://bucket/photos", SourceKind.FOLDER),
        ("s3://bucket/{000..009}.tar", SourceKind.WEBDATASET),
        ("hf://datasets/user/set", SourceKind.HUGGINGFACE),
        ("hf://datasets/user/set/x.parquet", SourceKind.PARQUET),
        ("train.csv", SourceKind.MANIFEST),
        ("train.jsonl", SourceKind.MANIFEST),
        ("data.yaml", SourceKind.YOLO),
        ("*.tif", SourceKind.FILES),
        ("package.module:attribute", SourceKind.PYTHON),
    ],
)
def test_names_alone_say_what_they_are(text, expected):
    assert recognised(text) is expected


@pytest.mark.parametrize(
    "name,message", [("nowhere", "no such folder or file"), ("notes.txt", "not an image, nor .csv")]
)
def test_what_is_nothing_is_named_with_the_flag(tmp_path, name, message):
    (tmp_path / "notes.txt").write_text("text")
    with pytest.raises(SourceError, match=rf"{name}: {message}.*; --source says what it is"):
        open_source(str(tmp_path / name))


def test_single_files_keep_their_names(photo, tmp_path):
    copied(photo, tmp_path / "in/a/1.png", tmp_path / "in/b/1.png")
    source = open_source([str(tmp_path / "in/a/1.png"), str(tmp_path / "in/b/1.png")])
    assert source.names == ("a/1.png", "b/1.png")
    assert open_source(str(tmp_path / "in/*/1.png")).names == ("a/1.png", "b/1.png")
    assert open_source(str(photo)).names == ("one.png",)
    with pytest.raises(SourceError, match="several sources are image"):
        open_source([str(photo), str(tmp_path)])


def test_splits_are_chosen_by_name_or_become_a_file_each(photo, tmp_path, capsys):
    copied(photo, *(tmp_path / f"in/{split}/{label}/1.png" for split in ("train", "val") for label in "ab"))
    with pytest.raises(SourceError, match=r"in splits: choose one with --split \(train, val\)"):
        open_source(tmp_path / "in")
    assert open_source(tmp_path / "in", SourceQuestion(split="val")).classes == ("a", "b")
    with pytest.raises(SourceError, match="no split 'test'; there are train, val"):
        open_source(tmp_path / "in", SourceQuestion(split="test"))
    assert main(["convert", str(tmp_path / "in"), str(tmp_path / "x-{split}.inrd")]) == 0
    assert sorted(p.name for p in tmp_path.glob("*.inrd")) == ["x-train.inrd", "x-val.inrd"]
    assert main(["convert", str(tmp_path / "in/train"), str(tmp_path / "y-{split}.inrd")]) == 2
    assert "the source has no splits" in capsys.readouterr().err


def test_a_data_set_of_a_module_is_found_by_name(tmp_path, monkeypatch):
    (tmp_path / "my_sets.py").write_text(
        "import numpy as np\n"
        "tiles = [(np.full((16, 16, 3), 9 * k, np.uint8), k % 2) for k in range(8)]\n"
        "def made():\n    return tiles[:4]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert len(open_source("my_sets:tiles").names) == 8
    assert len(open_source("my_sets:made").names) == 4
    for text in ("my_sets:nothing", "no_such_module:x"):
        with pytest.raises(SourceError, match="expected module:attribute"):
            open_source(text)
    sys.modules.pop("my_sets")


def test_hugging_face_sets_on_disk_and_parquet_keep_classes_and_columns(photo_tiles, tmp_path):
    datasets = pytest.importorskip("datasets", reason="needs inrformat[huggingface]")
    tiles = photo_tiles["coffee"][:4]
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["cup", "mug"]), score=datasets.Value("float32")
    )
    rows = {"image": [Image.fromarray(t) for t in tiles], "label": [0, 1, 0, 1], "score": [0.5, 1, 1.5, 2]}
    made = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict(train=made, test=made.select([0])).save_to_disk(tmp_path / "disk")
    made.to_parquet(tmp_path / "p.parquet")
    with pytest.raises(SourceError, match="--split .test, train"):
        open_source(tmp_path / "disk")
    disk = open_source(tmp_path / "disk", SourceQuestion(split="train"))
    convert(disk, tmp_path / "disk.inrd")
    convert(tmp_path / "p.parquet", tmp_path / "parquet.inrd")
    convert(made, tmp_path / "object.inrd")
    for name in ("disk", "parquet", "object"):
        with InrdReader(tmp_path / f"{name}.inrd") as reader:
            assert reader.metadata.classes == ("cup", "mug")
            assert np.asarray(reader.field("label")).tolist() == [0, 1, 0, 1]
            assert np.asarray(reader.field("score")).tolist() == [0.5, 1, 1.5, 2]


def test_parquet_without_features_takes_a_column_of_bytes(photo, tmp_path):
    pytest.importorskip("datasets", reason="needs inrformat[huggingface]")
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"picture": [photo.read_bytes()] * 3, "id": [7, 8, 9]}), tmp_path / "x.parquet")
    convert(tmp_path / "x.parquet", tmp_path / "x.inrd")
    with InrdReader(tmp_path / "x.inrd") as reader:
        assert np.asarray(reader.field("id")).tolist() == [7, 8, 9]
    pq.write_table(pa.table({"id": [1]}), tmp_path / "y.parquet")
    with pytest.raises(SourceError, match="no column of images"):
        open_source(tmp_path / "y.parquet")


def test_the_report_holds_what_was_left_out_and_why(photo, tmp_path, capsys):
    copied(photo, tmp_path / "in/a.png", tmp_path / "in/c.png")
    (tmp_path / "in/b.png").write_bytes(b"no image")
    (tmp_path / "in/d.txt").write_text("text")
    command = ["convert", str(tmp_path / "in"), str(tmp_path / "x.inrd")]
    assert main([*command, "--on-error", "limit=0"]) == 4
    assert "in/b.png: not an image" in capsys.readouterr().err and not (tmp_path / "x.inrd").exists()
    assert main([*command, "--on-error", "limit=1", "--report", str(tmp_path / "r.json")]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert [s["name"] for s in report["skipped"]] == ["b.png"] and "not an image" in report["skipped"][0]["reason"]
    assert report["remarks"] == ["left out 1 files that are no images by their suffix: 1 .txt"]
    assert len(InrdDataset(tmp_path / "x.inrd")) == 2


@pytest.mark.parametrize("flags", [["--on-error", "maybe"], ["--alpha", "blue"], ["--ray"]])
def test_unusable_flags_are_explained(photo, tmp_path, flags, capsys):
    assert main(["convert", str(photo), str(tmp_path / "x.inrd"), *flags]) == 2
    assert flags[0].strip("-").replace("-", " ") in capsys.readouterr().err
    with pytest.raises(UsageError, match="has no option 'qualty': choose among"):
        convert(photo, tmp_path / "x.inrd", qualty=5)
