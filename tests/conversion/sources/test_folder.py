import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from inrformat import InrdReader, convert
from inrformat.conversion.pixels.read import load_image
from inrformat.conversion.sources.folder import scan_folder
from inrformat.conversion.sources.source import limited
from inrformat.errors import SourceError


def touch_image(path, size=(8, 6), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path)


def labels_of(source):
    return [source.sample(number).values["label"] for number in range(len(source.names))]


def test_class_folders_are_read_in_the_order_of_image_folder(tmp_path):
    for name in ("b/2.png", "b/10.png", "a/z/1.png", "a/k.png", "c d/ü.PNG"):
        touch_image(tmp_path / name)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    (tmp_path / ".cache").mkdir()
    source = scan_folder(tmp_path)
    (tmp_path / ".cache").rmdir()
    folder = ImageFolder(tmp_path)
    assert [str(tmp_path / name) for name in source.names] == [path for path, _ in folder.samples]
    assert labels_of(source) == folder.targets
    assert list(source.classes) == folder.classes


def test_a_flat_folder_has_no_classes(tmp_path):
    for name in ("b.png", "a.jpg"):
        touch_image(tmp_path / name)
    source = scan_folder(tmp_path)
    assert (source.names, source.classes, source.columns) == (("a.jpg", "b.png"), (), ())


def test_a_limit_takes_images_from_all_over_the_source(tmp_path):
    for name in "abcde":
        for k in range(4):
            touch_image(tmp_path / name / f"{k}.png")
    assert labels_of(limited(scan_folder(tmp_path), 5)) == [0, 1, 2, 3, 4]
    assert len(limited(scan_folder(tmp_path), 99).names) == 20


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([], "no images found"),
        (["readme.txt"], "no images found"),
        (["a/x.png", "y.png"], "images both in it"),
        (["a/x.png", "b/readme.txt"], "b: a class folder without images"),
    ],
)
def test_unusable_folders_are_explained(tmp_path, files, message):
    for name in files:
        if name.endswith(".png"):
            touch_image(tmp_path / name)
        else:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text("text")
    with pytest.raises(SourceError, match=message) as caught:
        scan_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_links_that_lead_back_are_left_out_and_named(tmp_path):
    touch_image(tmp_path / "set/a/1.png")
    (tmp_path / "set/a/back").symlink_to(tmp_path / "set/a")
    (tmp_path / "set/a/up").symlink_to(tmp_path / "set")
    touch_image(tmp_path / "elsewhere/2.png")
    (tmp_path / "set/b").symlink_to(tmp_path / "elsewhere")
    source = scan_folder(tmp_path / "set")
    assert source.names == ("a/1.png", "b/2.png")
    assert [remark.split(":")[0] for remark in source.remarks] == ["left out a/back", "left out a/up"]


def test_names_that_are_no_text_are_escaped_and_their_files_found(tmp_path):
    folder = os.fsencode(tmp_path / "set")
    Path(os.fsdecode(folder + b"/caf\xe9")).mkdir(parents=True)
    touch_image(tmp_path / "plain.png")
    for name in (b"/caf\xe9/\xff1.png", b"/caf\xe9/ok.png"):
        Path(os.fsdecode(folder + name)).write_bytes((tmp_path / "plain.png").read_bytes())
    source = scan_folder(tmp_path / "set")
    assert set(source.names) == {"caf%E9/%FF1.png", "caf%E9/ok.png"} and source.classes == ("caf%E9",)
    convert(source, tmp_path / "x.inrd")
    assert set(InrdReader(tmp_path / "x.inrd").text_field("name") or ()) == set(source.names)


def test_what_is_left_out_is_said(tmp_path):
    for name in ("a.png", "b.gif", ".hidden.png"):
        touch_image(tmp_path / name)
    for name in ("notes.txt", "more.txt", "README"):
        (tmp_path / name).write_text("text")
    source = scan_folder(tmp_path)
    assert source.names == ("a.png", "b.gif")
    assert source.remarks == (
        "left out 3 files that are no images by their suffix: 2 .txt, 1 without suffix",
        "left out 1 images whose names start with a dot",
    )


def test_a_link_that_leads_nowhere_is_an_image_that_cannot_be_read(tmp_path):
    touch_image(tmp_path / "in/a.png")
    (tmp_path / "in/b.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(SourceError, match=r"b\.png: unreadable"):
        convert(tmp_path / "in", tmp_path / "x.inrd")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_named(tmp_path):
    touch_image(tmp_path / "in/a/1.png")
    (tmp_path / "in/a").chmod(0)
    with pytest.raises(SourceError, match="in/a: a folder that cannot be read"):
        scan_folder(tmp_path / "in")


def test_missing_folders_and_files_in_their_place_are_named(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        scan_folder(tmp_path / "nowhere")
    touch_image(tmp_path / "x.png")
    with pytest.raises(SourceError, match="not a folder"):
        scan_folder(tmp_path / "x.png")


def test_size_sets_the_short_side(tmp_path):
    touch_image(tmp_path / "wide.png", (90, 60))
    touch_image(tmp_path / "thin.png", (1, 300))
    assert load_image(tmp_path / "wide.png", size=32).shape == (32, 48, 3)
    assert load_image(tmp_path / "thin.png", size=2).shape == (600, 2, 3)
    assert load_image(tmp_path / "wide.png").shape == (60, 90, 3)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    Image.fromarray(np.array([[0, 0x80FF, 0xFFFF]], np.uint16)).save(tmp_path / "deep.png")
    assert load_image(tmp_path / "deep.png")[0].tolist() == [[0] * 3, [0x80] * 3, [255] * 3]


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, :10] = 255
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    upright = load_image(tmp_path / "turned.png")
    assert upright.shape == (20, 10, 3)
    assert upright[2, 5].tolist() == [255] * 3
    assert upright[18, 5].tolist() == [0] * 3


def test_every_odd_file_either_loads_or_is_refused_with_its_name(shared_data):
    loaded = refused = 0
    with (shared_data / "odd" / "INDEX.csv").open() as index:
        rows = list(csv.DictReader(index))
    column = next(c for c in rows[0] if (shared_data / "odd" / rows[0][c]).is_file())
    for row in rows:
        path = shared_data / "odd" / row[column]
        if not path.is_file():
            continue
        try:
            image = load_image(path, size=16)
        except SourceError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            refused += 1
        else:
            assert image.dtype == np.uint8
            assert image.shape[2] == 3
            loaded += 1
    assert loaded > 100
    assert refused > 10
