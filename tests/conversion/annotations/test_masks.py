import numpy as np
import pytest
from PIL import Image

from inrformat.conversion.annotations.annotation import Annotation, Instance
from inrformat.conversion.annotations.masks import mask_size, read_masks
from inrformat.conversion.annotations.orientation import is_of_stored_picture
from inrformat.conversion.annotations.rasterize import class_numbers
from inrformat.errors import SourceError

NUMBERS = np.random.default_rng(0).integers(0, 256, (6, 9)).astype(np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".npy"])
def test_every_lossless_file_gives_its_numbers_255_among_them(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    if suffix == ".npy":
        np.save(file, NUMBERS)
    else:
        Image.fromarray(NUMBERS).save(file)
    (mask,) = (a.mask for a in read_masks(tmp_path).by_path.values())
    assert mask == file and mask_size(file) == (6, 9)
    assert np.array_equal(class_numbers(file, 6, 9), NUMBERS) and 255 in NUMBERS


@pytest.mark.parametrize("suffix", [".jpg", ".gif"])
def test_files_that_do_not_keep_numbers_are_no_masks(tmp_path, suffix):
    Image.fromarray(NUMBERS).save(tmp_path / f"a{suffix}")
    with pytest.raises(SourceError, match="no masks found"):
        read_masks(tmp_path)


def test_a_palette_gives_numbers_and_no_colours(tmp_path):
    image = Image.fromarray(NUMBERS)
    image.putpalette(bytes(reversed(range(256))) * 3)
    image.save(tmp_path / "a.png")
    assert np.array_equal(class_numbers(tmp_path / "a.png", 6, 9), NUMBERS)


@pytest.mark.parametrize("array", [NUMBERS / 2, np.zeros((6, 9, 3), np.uint8), np.full((6, 9), -1), np.array([], int)])
def test_arrays_of_anything_else_are_refused_by_name(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(SourceError, match=r"a\.npy: "):
        class_numbers(tmp_path / "a.npy", 6, 9)


@pytest.mark.parametrize("name", ["a.png", "a.npy"])
def test_what_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x93NUMPY\x01\x00" if name == "a.npy" else b"\x89PNG\r\n\x1a\n")
    for use in (mask_size, lambda file: class_numbers(file, 6, 9)):
        with pytest.raises(SourceError, match=rf"{name}: unreadable mask"):
            use(tmp_path / name)


def test_objects_pickled_into_an_array_are_not_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(SourceError, match="unreadable mask"):
        class_numbers(tmp_path / "a.npy", 6, 9)


def test_an_image_of_colours_is_refused_by_name(tmp_path):
    Image.new("RGB", (9, 6)).save(tmp_path / "a.png")
    with pytest.raises(SourceError, match=r"^\S+a\.png: a mask holds one class number per pixel, this is RGB"):
        mask_size(tmp_path / "a.png")


def test_a_mask_of_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    Image.fromarray(NUMBERS).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(SourceError, match=r"a\.png: unreadable mask \(.*decompression bomb"):
        class_numbers(tmp_path / "a.png", 6, 9)


@pytest.mark.parametrize("size,as_stored", [((6, 9), True), ((9, 6), False)])
def test_a_mask_tells_by_its_size_which_way_up_its_picture_was(tmp_path, size, as_stored):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (9, 6)).save(tmp_path / "a.jpg", exif=exif)
    mask = np.zeros(size, np.uint8)
    assert is_of_stored_picture(Annotation(mask=mask), tmp_path / "a.jpg", name="a") == as_stored
    with_boxes = Annotation((Instance(0, (0, 0, 1, 1)),), mask=mask)
    assert not is_of_stored_picture(with_boxes, tmp_path / "a.jpg", name="a")
    with pytest.raises(SourceError, match="here/a: 9 x 6 px, but its annotations are of a picture of 3 x 9 px"):
        is_of_stored_picture(Annotation(mask=np.zeros((9, 3), np.uint8)), tmp_path / "a.jpg", name="here/a")
