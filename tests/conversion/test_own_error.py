"""How good images are themselves: the noise that was put in is found, and so is what JPEG took."""

import io

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from inrformat import InrdReader, convert
from inrformat.conversion.own_error import noise_deviation, own_psnr_db
from inrformat.conversion.pixels.options import ReadOptions
from inrformat.conversion.sources.folder import scan_folder
from inrformat.encoding.record import psnr_db


@given(deviation=st.floats(0.8, 12), seed=st.integers(0, 99))
def test_noise_on_a_smooth_picture_is_found(deviation, seed):
    ground = np.linspace(40, 200, 96)[:, None, None] + np.zeros((96, 96, 3))
    noisy = ground + np.random.default_rng(seed).normal(0, deviation, ground.shape)
    assert noise_deviation(noisy.round().clip(0, 255).astype(np.uint8)) == pytest.approx(deviation, rel=0.15, abs=0.3)


@pytest.fixture
def jpegs(shared_data, tmp_path):
    """Lossless photographs saved as JPEG, and the PSNR of that, by quality."""

    def saved(quality):
        folder = tmp_path / str(quality)
        folder.mkdir()
        found = []
        for path in sorted((shared_data / "kodak").glob("*.png"))[:6]:
            with Image.open(path) as opened:
                picture = opened.convert("L").convert("RGB")
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=quality)
            (folder / f"{path.stem}.jpg").write_bytes(file.getvalue())
            found.append(psnr_db(np.asarray(Image.open(file).convert("RGB")), np.asarray(picture)))
        return folder, float(np.mean(found))

    return saved


def test_what_jpeg_took_is_never_overrated_and_follows_its_quality(jpegs):
    estimates = []
    for quality in (30, 60, 90):
        folder, true_db = jpegs(quality)
        estimate = own_psnr_db(scan_folder(folder), ReadOptions())
        estimates.append(estimate)
        assert estimate > true_db - 0.5  # what became 0 is not counted
    assert estimates == sorted(estimates)


def test_a_quality_that_suits_the_images_is_asked_for_by_name(photo_folder, tmp_path):
    convert(photo_folder, tmp_path / "x.inrd", quality="auto")
    with InrdReader(tmp_path / "x.inrd") as reader:
        asked = reader.metadata.options["psnr_db"]
        assert asked == pytest.approx(own_psnr_db(scan_folder(photo_folder), ReadOptions()), abs=0.01)
        assert np.mean(np.asarray(reader.index.psnr_db)) == pytest.approx(asked, abs=0.3)
