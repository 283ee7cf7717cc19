"""Hugging Face's data sets to .inrd and back, cards for the Hub, and the Trainer."""

import io
import math

import numpy as np
import pytest
from PIL import Image

from inrformat import CellsOptions, InrdDataset, InrdReader, SourceError, UsageError

pytest.importorskip("datasets", reason='datasets is not installed: pip install "inrformat[huggingface]"')

import datasets

from inrformat.integrations.huggingface import convert_dataset, to_dataset

CLASSES = ["astronaut", "coffee"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing is left in the user's cache, and nothing found there."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def split(photo_tiles):
    """The tiles as a split; columns of every storable kind beside image and label."""
    labels = [label for label, name in enumerate(CLASSES) for _ in photo_tiles[name]]
    numbers = list(range(len(labels)))
    columns = {
        "image": [Image.fromarray(tile) for name in CLASSES for tile in photo_tiles[name]],
        "label": labels,
        "caption": [f"tile {n}, é" for n in numbers],
        "score": [n / 7 for n in numbers],
        "frame": [n - 3 for n in numbers],
        "sharp": [n % 2 == 0 for n in numbers],
        "raw": [bytes([n, 255]) for n in numbers],
        "counts": [list(range(n % 3)) for n in numbers],
        "weights": [[n / 3] * (n % 3) for n in numbers],
        "place": [n % 2 for n in numbers],
    }
    value = datasets.Value
    return datasets.Dataset.from_dict(
        columns,
        datasets.Features(
            {
                "image": datasets.Image(),
                "label": datasets.ClassLabel(names=CLASSES),
                "caption": value("string"),
                "score": value("float64"),
                "frame": value("int32"),
                "sharp": value("bool"),
                "raw": value("binary"),
                "counts": datasets.List(value("int64")),
                "weights": datasets.List(value("float64")),
                "place": datasets.ClassLabel(names=["inside", "outside"]),
            }
        ),
    )


def column(path, name):
    """A column of a file as a list."""
    with InrdReader(path) as reader:
        values = reader.field(name)
    assert values is not None
    return list(values)


def test_a_split_becomes_a_file_with_its_classes_and_columns(split, tmp_path):
    summary = convert_dataset(split, tmp_path / "x.inrd", CellsOptions(quality=95))
    dataset = InrdDataset(tmp_path / "x.inrd", output="numpy")
    assert summary.samples == len(dataset) == len(split)
    assert (dataset.classes, dataset.targets) == (CLASSES, split["label"][:])
    for (image, _), original in zip(dataset, split["image"], strict=True):
        assert np.abs(image.astype(int) - np.asarray(original).astype(int)).mean() < 4
    reader = dataset.reader
    assert set(reader.field_names) >= set(split.column_names) - {"image"} | {"name"}
    assert column(tmp_path / "x.inrd", "caption") == split["caption"][:]
    assert column(tmp_path / "x.inrd", "place") == ["inside", "outside"] * 6


def test_there_and_back_columns_are_the_same(split, tmp_path):
    convert_dataset(split, tmp_path / "x.inrd")
    back = to_dataset(tmp_path / "x.inrd")
    assert back.features["label"].names == CLASSES
    for name in set(split.column_names) - {"image", "place", "sharp"}:
        assert back[name][:] == split[name][:], name
    assert back["sharp"][:] == [int(value) for value in split["sharp"]]
    decoded = InrdDataset(tmp_path / "x.inrd", output="numpy")
    assert all(np.array_equal(image, pixels) for image, (pixels, _) in zip(back["image"], decoded, strict=True))
    convert_dataset(back, tmp_path / "again.inrd")
    assert InrdReader(tmp_path / "again.inrd").field_names == InrdReader(tmp_path / "x.inrd").field_names


@pytest.mark.slow
def test_a_file_in_the_place_of_another_is_read_again(split, tmp_path):
    path = tmp_path / "x.inrd"
    convert_dataset(split, path)
    assert len(to_dataset(path)) == 12
    path.unlink()
    convert_dataset(split.select(range(5)), path)
    assert len(to_dataset(path)) == 5


def test_rows_in_an_order_of_their_own_keep_what_belongs_together(split, tmp_path):
    shuffled = split.shuffle(seed=1).select(range(7)).with_format("numpy")
    convert_dataset(shuffled, tmp_path / "x.inrd", CellsOptions(quality=95))
    back = to_dataset(tmp_path / "x.inrd")
    assert back["caption"][:] == shuffled.with_format(None)["caption"][:]
    for image, original in zip(back["image"], shuffled.with_format(None)["image"], strict=True):
        assert np.abs(np.asarray(image).astype(int) - np.asarray(original).astype(int)).mean() < 4


@pytest.mark.slow
def test_images_are_named_by_their_files_or_numbers(photo_folder, split, tmp_path):
    folder = datasets.load_dataset("imagefolder", data_dir=str(photo_folder), split="train")
    convert_dataset(folder.select(range(6)), tmp_path / "files.inrd")
    assert column(tmp_path / "files.inrd", "name") == [f"tile_{n}.png" for n in range(6)]
    convert_dataset(folder, tmp_path / "twice.inrd")  # two classes have files of one name
    assert column(tmp_path / "twice.inrd", "name")[11] == "11"
    named = split.add_column("name", [f"n{n}" for n in range(12)])
    convert_dataset(named, tmp_path / "named.inrd")
    assert column(tmp_path / "named.inrd", "name") == named["name"][:]
    with pytest.raises(UsageError, match="rename_column"):
        convert_dataset(split.add_column("name", ["one"] * 12), tmp_path / "refused.inrd")


@pytest.mark.slow
def test_a_target_size_counts_every_column(split, tmp_path):
    summary = convert_dataset(split, tmp_path / "x.inrd", CellsOptions(target_bytes=12_000))
    assert 8_000 < summary.bytes <= 12_000


def test_a_split_without_labels_is_converted_when_told_so(split, tmp_path):
    unlabelled = split.remove_columns(["label"])
    with pytest.raises(UsageError, match=r"no column 'label' among .*label=None"):
        convert_dataset(unlabelled, tmp_path / "x.inrd")
    convert_dataset(unlabelled, tmp_path / "x.inrd", label=None)
    assert InrdDataset(tmp_path / "x.inrd", target="class").targets == [-1] * 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.add_column("objects", [{"x": 1}] * 12), r"objects \(struct<.*remove_columns\(\['objects'\]\)"),
        (lambda s: s.map(lambda row: {"thumbnail": row["image"]}), r"thumbnail \(struct"),
        (lambda s: s.add_column("note", ["a", None] * 6), r"'note' has no value in row 1"),
        (lambda s: s.add_column("boxes", ["none"] * 12), r"'boxes' is float64\[\] in an \.inrd, here it is utf8"),
        (lambda s: s.cast_column("label", datasets.Value("int64")), r"class_encode_column\('label'\)"),
        (lambda s: s.map(lambda row: {"label": -1}), r"'label' has no class in row 0 \(-1\)"),
        (lambda s: s.map(lambda row: {"image": None}), "'image' has no image in row 0"),
        (lambda s: s.add_column("labels", [[0]] * 12), "'labels' does not name its classes"),
        (lambda s: s.rename_column("image", "picture"), "no column 'image' among"),
        (lambda s: s.to_iterable_dataset(), "choose a split, and load it without streaming"),
        (lambda s: datasets.DatasetDict(train=s), "choose a split"),
    ],
)
def test_what_cannot_be_stored_is_named_with_the_remedy(split, tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        convert_dataset(change(split), tmp_path / "x.inrd")
    assert not (tmp_path / "x.inrd").exists()


def test_columns_under_the_names_of_the_chosen_ones_are_refused(split, tmp_path):
    renamed = split.rename_column("label", "kind").add_column("label", [0] * 12)
    with pytest.raises(UsageError, match=r"another column stands for 'label'.*rename_column\('label'"):
        convert_dataset(renamed, tmp_path / "x.inrd", label="kind")


def test_unreadable_images_are_named_or_left_out_with_their_columns(split, tmp_path):
    broken = io.BytesIO(b"no image").getvalue()
    files = split.cast_column("image", datasets.Image(decode=False))
    rows = [row | {"image": {"bytes": broken, "path": None}} if n == 4 else row for n, row in enumerate(files)]
    damaged = datasets.Dataset.from_list(rows, features=split.features)
    with pytest.raises(SourceError, match="04"):
        convert_dataset(damaged, tmp_path / "x.inrd")
    summary = convert_dataset(damaged, tmp_path / "x.inrd", on_error="skip")
    assert [skipped.name for skipped in summary.skipped] == ["04"]
    assert column(tmp_path / "x.inrd", "frame") == [n - 3 for n in range(12) if n != 4]


@pytest.mark.slow
def test_boxes_go_there_and_back_with_their_classes(tile_file, tmp_path):
    boxes = [[1.0, 2.0, 11.0, 12.0, 0.0, 0.0, 32.0, 32.0], [], [4.0, 4.0, 8.0, 8.0]] * 4
    named = [datasets.ClassLabel(names=["cup", "helmet"])]
    split = to_dataset(tile_file).remove_columns(["label"]).add_column("boxes", boxes)
    split = split.add_column("box_labels", [[1, 0], [], [1]] * 4)
    with pytest.raises(UsageError, match="'box_labels' does not name its classes"):
        convert_dataset(split, tmp_path / "x.inrd", label=None)
    features = split.features.copy() | {"box_labels": named}
    convert_dataset(split.cast(datasets.Features(features)), tmp_path / "x.inrd", label=None)
    dataset = InrdDataset(tmp_path / "x.inrd")
    assert dataset.classes == ["cup", "helmet"]
    assert dataset[0][1]["labels"].tolist() == [1, 0]
    back = to_dataset(tmp_path / "x.inrd")
    assert back["boxes"][:] == boxes
    convert_dataset(back, tmp_path / "again.inrd", label=None)
    assert InrdDataset(tmp_path / "again.inrd").classes == ["cup", "helmet"]
    with pytest.raises(UsageError, match="numbers classes otherwise than label"):
        convert_dataset(back.add_column("label", [0] * 12).class_encode_column("label"), tmp_path / "y.inrd")


def test_an_image_file_that_is_gone_is_named(photo_folder, tmp_path):
    path = tmp_path / "gone.png"
    path.write_bytes((photo_folder / "coffee" / "tile_0.png").read_bytes())
    split = datasets.Dataset.from_dict({"image": [str(path)]}, datasets.Features({"image": datasets.Image()}))
    path.unlink()
    with pytest.raises(SourceError, match=r"gone\.png"):
        convert_dataset(split, tmp_path / "x.inrd", label=None)


def test_the_example_goes_there_and_back(tile_file, tmp_path, example):
    back = example("huggingface_datasets").round_trip(tile_file, tmp_path / "again.inrd")
    assert back.features["label"].names == InrdDataset(tile_file).classes
    assert back["label"][:] == InrdDataset(tile_file).targets


def test_the_card_has_front_matter_that_the_hub_reads(tile_file, example, tmp_path):
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed")
    example("huggingface_datasets").card(tile_file).save(tmp_path / "README.md")
    card = hub.DatasetCard.load(tmp_path / "README.md")
    assert card.data.tags == ["inrd", "inrformat"]
    assert card.data.task_categories == ["image-classification"]
    assert "12 images of 2 classes (astronaut, coffee)" in card.text
    assert f"hf://datasets/USER/SET/{tile_file.name}" in card.text


@pytest.mark.slow
def test_the_trainer_takes_a_data_set(tile_file, tmp_path, example):
    pytest.importorskip("transformers", reason='transformers is not installed: pip install "inrformat[huggingface]"')
    trainer = example("huggingface_trainer").train(tile_file, tmp_path, save_strategy="no", use_cpu=True)
    assert trainer.state.global_step == 6
    assert math.isfinite(trainer.state.log_history[-1]["train_loss"])
