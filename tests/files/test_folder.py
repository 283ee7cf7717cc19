import io

import pytest
import torch
from hypothesis import given, strategies as st
from PIL import Image

from inrformat.data.dataset import InrdDataset
from inrformat.errors import InvalidFileError, OutputExistsError, UsageError
from inrformat.files.export.folder import export_folder
from inrformat.files.export.image_format import Encoding, ImageFormat
from inrformat.files.export.names import image_names


def test_suffixes_become_png_and_collisions_keep_theirs():
    assert image_names(["a/x.jpg", "a/y.PNG", "z"]) == ["a/x.png", "a/y.png", "z.png"]
    assert image_names(["x.jpg", "x.png", "x.jpg.webp"]) == ["x.jpg.1.png", "x.png.png", "x.jpg.png"]


@given(
    st.lists(st.sampled_from(["x", "x.png", "x.jpg", "x.jpg.png", "x.png.png", "x.jpg.1.png", "y/x.jpg"]), unique=True)
)
def test_no_two_images_ever_share_a_name(names):
    result = image_names(names)
    assert len(set(result)) == len(names)
    assert all(name.endswith(".png") for name in result)


@pytest.mark.parametrize("name", ["../x.png", "/etc/x.png", "a/../../x", "", "a//b", "a/./b", "a\\b", "a\0b"])
def test_names_that_leave_the_folder_are_refused(name):
    with pytest.raises(InvalidFileError, match="record 1: unsafe name"):
        image_names(["fine.png", name])


def test_a_folder_with_something_in_it_is_left_alone(photo_file, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(OutputExistsError):
        export_folder(InrdDataset(photo_file), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failed_export_leaves_nothing_behind(photo_file, tmp_path):
    def stop(_count):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_folder(InrdDataset(photo_file), tmp_path / "out", on_images=stop)
    assert list(tmp_path.iterdir()) == []


def test_transparency_is_not_lost_in_a_jpeg():
    image = torch.zeros(4, 8, 8, dtype=torch.uint8)
    with pytest.raises(UsageError, match="choose png or webp"):
        Encoding(ImageFormat.JPEG).encode(image)
    with Image.open(io.BytesIO(Encoding(ImageFormat.WEBP).encode(image))) as picture:
        assert picture.mode == "RGBA"
