"""What is exported comes back with equal targets; statistics and sheets show what is there."""

import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from inrformat import CellsOptions, InrdDataset, InrdReader, convert
from inrformat.cli.main import main
from inrformat.conversion.annotations.annotation import Annotation, Instance
from inrformat.conversion.annotations.run_length import RunLengthMask
from inrformat.conversion.sources.listed import ListedSource
from inrformat.files.contact_sheet import Sheet, choose_rows, colour_of, draw_sheet
from inrformat.files.statistics import statistics_of
from tests.files.conftest import column

TARGETS = ("boxes", "box_labels", "iscrowd", "instances", "caption", "keypoints", "semantic")


@pytest.fixture(scope="module")
def annotated_file(photo_tiles, tmp_path_factory):
    """Six images with every kind of target."""
    tiles = photo_tiles["coffee"]
    rng = np.random.default_rng(0)
    annotations = []
    for k in range(6):
        masks = rng.random((k % 3, 32, 32)) < 0.5
        instances = tuple(
            Instance(
                label=n % 2,
                box=(0.125 * n, 0.25, 0.5, 0.75),
                keypoints=((0.25, 0.5, 2),),
                run_length_mask=RunLengthMask.of(mask),
                crowd=n == 1,
            )
            for n, mask in enumerate(masks)
        )
        annotations.append(
            Annotation(instances=instances, captions=("one", "two")[: k % 3], mask=rng.integers(0, 9, (32, 32)))
        )
    source = ListedSource(
        place="made up",
        names=tuple(f"d/{k}.jpg" for k in range(6)),
        image=lambda name: tiles[int(name[2])],
        classes=("a", "b"),
        annotations=tuple(annotations),
    )
    path = tmp_path_factory.mktemp("annotated") / "x.inrd"
    convert(source, path, CellsOptions(quality=80.0))
    return path


def test_coco_and_back_gives_equal_targets(annotated_file, tmp_path):
    out = tmp_path / "out"
    assert main(["export", str(annotated_file), str(out), "--annotations", "coco"]) == 0
    stored = json.loads((out / "annotations/instances.json").read_text())
    assert [c["name"] for c in stored["categories"]] == ["a", "b"] and len(stored["images"]) == 6
    again = tmp_path / "again.inrd"
    assert main(["convert", str(out), str(again), "--masks", str(out / "masks"), "--quality", "80"]) == 0
    for name in TARGETS:
        assert column(again, name) == column(annotated_file, name), name
    with InrdReader(again) as reader:
        assert reader.metadata.classes == ("a", "b")


def test_webdataset_and_back_gives_equal_targets(whole_file, tmp_path):
    out = tmp_path / "out"
    assert main(["export", str(whole_file), str(out), "--to", "webdataset", "--shard-images", "5"]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["classes.txt", *(f"shard-{k:06}.tar" for k in range(3))]
    with tarfile.open(out / "shard-000000.tar") as tar:
        assert tar.getnames()[:2] == ["astronaut/tile_0.png", "astronaut/tile_0.cls"]
    again = tmp_path / "again.inrd"
    command = ["convert", str(out), str(again), "--class-names", str(out / "classes.txt")]
    assert main(command) == 0
    for name in ("label", "name"):
        assert column(again, name) == column(whole_file, name)
    assert InrdDataset(again).classes == InrdDataset(whole_file).classes


def test_webdataset_reads_what_was_exported(whole_file, tmp_path):
    webdataset = pytest.importorskip("webdataset", reason="reads the shards as others do")
    assert main(["export", str(whole_file), str(tmp_path / "out"), "--to", "webdataset", "--format", "jpeg"]) == 0
    samples = list(webdataset.WebDataset(str(tmp_path / "out/shard-000000.tar"), shardshuffle=False).decode("pil"))
    assert [int(sample["cls"]) for sample in samples] == [0] * 6 + [1] * 6
    assert samples[0]["jpg"].size == (32, 32)


def test_another_file_as_a_source_keeps_every_target(annotated_file, tmp_path):
    assert main(["convert", str(annotated_file), str(tmp_path / "same.inrd")]) == 0
    for name in (*TARGETS, "name"):
        assert column(tmp_path / "same.inrd", name) == column(annotated_file, name), name
    assert main(["convert", str(annotated_file), str(tmp_path / "half.inrd"), "--size", "16"]) == 0
    halves = [[v / 2 for v in boxes] for boxes in column(annotated_file, "boxes")]
    assert column(tmp_path / "half.inrd", "boxes") == halves


def test_statistics_count_what_is_there(annotated_file, whole_file):
    with InrdReader(annotated_file) as reader:
        found = statistics_of(reader)
        assert found.class_counts == {"a": 4, "b": 2}
        assert found.targets["boxes"] == (4, 6) and found.targets["caption"] == (4, 4)
    with InrdReader(whole_file) as reader:
        found = statistics_of(reader)
        assert found.class_counts == {"astronaut": 6, "coffee": 6}
        assert found.psnr_db is not None and reader.index.psnr_db is not None
        assert found.psnr_db.mean == pytest.approx(reader.index.psnr_db.mean()) and found.psnr_db.counts.sum() == 12


def test_stats_are_text_json_and_a_picture(whole_file, tmp_path, capsys):
    assert main(["stats", str(whole_file), "--picture", str(tmp_path / "s.png")]) == 0
    assert "PSNR, dB: mean" in capsys.readouterr().out
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.width == 760
    assert main(["stats", str(whole_file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["class_counts"] == {"astronaut": 6, "coffee": 6}
    assert main(["stats", str(whole_file), "--picture", str(tmp_path / "s.png")]) == 4


def test_the_worst_come_first_and_differences_are_drawn(whole_file, photo_folder, tmp_path):
    dataset = InrdDataset(whole_file)
    psnr_db = np.asarray(dataset.reader.index.psnr_db)
    assert choose_rows(dataset, 3, worst=True) == np.argsort(psnr_db, kind="stable")[:3].tolist()
    assert choose_rows(dataset, 4, worst=False) == [0, 3, 6, 9]
    itself = draw_sheet(dataset, Sheet([0], lambda _name, _size: dataset[0][0].permute(1, 2, 0).numpy()))
    tile = np.asarray(itself)[10:220, 6 + 2 * 230 + 10 : 6 + 2 * 230 + 210]
    assert (tile == 128).all()  # nothing differs
    assert main(["preview", str(whole_file), str(tmp_path / "p.png"), "--original", str(photo_folder), "--worst"]) == 0


def test_a_sheet_draws_targets(annotated_file, tmp_path):
    dataset = InrdDataset(annotated_file)
    sheet = np.asarray(draw_sheet(dataset, Sheet([2])))
    assert (sheet.reshape(-1, 3) == colour_of(0)).all(1).any()  # of the first box
    assert main(["preview", str(annotated_file), str(tmp_path / "p.png")]) == 0
