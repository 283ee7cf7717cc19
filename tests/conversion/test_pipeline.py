from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inrformat.container.reader import InrdReader
from inrformat.conversion import reading
from inrformat.conversion.pipeline import convert
from inrformat.conversion.sources.folder import scan_folder
from inrformat.encoding.record import Outcome
from inrformat.errors import OutputExistsError, SourceError
from inrformat.families.siren.encoder import initialization as siren_initialization, training_points as lattice
from inrformat.families.siren.encoder.initialization import initial_parameters
from inrformat.families.siren.encoder.options import SirenOptions


def small(seed=0, steps=20):
    return SirenOptions(hidden=(2, 8), steps=steps, seed=seed)


def psnr_stored(path: Path) -> NDArray[np.float64]:
    """PSNR of each image as its file states it: (N,)."""
    with InrdReader(path) as reader:
        assert reader.index.psnr_db is not None
        return reader.index.psnr_db


def test_twice_the_same_conversion_gives_the_same_bytes(photo_folder, tmp_path):
    for name in "ab":
        convert(scan_folder(photo_folder), tmp_path / name, small(), seed=3)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    convert(scan_folder(photo_folder), tmp_path / "c", small(seed=4), seed=4)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "c").read_bytes()


def test_names_labels_and_pixel_statistics_are_stored(photo_folder, photo_tiles, tmp_path):
    summary = convert(scan_folder(photo_folder), tmp_path / "x", small())
    reader = InrdReader(tmp_path / "x")
    assert list(reader.text_field("name") or ()) == list(scan_folder(photo_folder).names)
    assert np.asarray(reader.field("label")).tolist() == [0] * 6 + [1] * 6
    pixels = np.concatenate([np.stack(images) for images in photo_tiles.values()]) / 255
    assert reader.metadata.channel_mean == pytest.approx(pixels.mean((0, 1, 2)))
    assert reader.metadata.channel_std == pytest.approx(pixels.std((0, 1, 2)))
    assert summary.mean_psnr_db == pytest.approx(psnr_stored(tmp_path / "x").mean(), abs=0.01)
    assert (summary.samples, summary.bytes) == (12, (tmp_path / "x").stat().st_size)


def test_a_source_larger_than_the_sample_is_streamed(photo_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "PIECE_IMAGES", 4)
    summary = convert(photo_folder, tmp_path / "x", small(), sample_images=5)
    assert (summary.samples, len(InrdReader(tmp_path / "x"))) == (12, 12)


@pytest.fixture
def broken_folder(photo_folder, tmp_path):
    source = scan_folder(photo_folder)
    for name in source.names:
        target = tmp_path / "in" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((photo_folder / name).read_bytes())
    broken = tmp_path / "in" / source.names[3]
    broken.write_bytes(broken.read_bytes()[:200])
    return tmp_path / "in"


def test_an_unreadable_image_stops_the_conversion_and_leaves_nothing(broken_folder, tmp_path):
    with pytest.raises(SourceError, match=r"tile_3\.png: unreadable.*--on-error skip"):
        convert(scan_folder(broken_folder), tmp_path / "x", small())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in"]


def test_unreadable_images_can_be_left_out(broken_folder, tmp_path):
    summary = convert(scan_folder(broken_folder), tmp_path / "x", small(), on_error="skip")
    assert [skipped.name for skipped in summary.skipped] == ["astronaut/tile_3.png"] and summary.samples == 11
    assert np.asarray(InrdReader(tmp_path / "x").field("label")).tolist() == [0] * 5 + [1] * 6


def test_nothing_but_unreadable_images_is_an_error(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.png").write_bytes(b"not an image")
    with pytest.raises(SourceError, match="none of its images"):
        convert(scan_folder(tmp_path / "in"), tmp_path / "x", small(), on_error="skip")


def test_an_existing_output_is_refused_before_any_work(photo_folder, tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(OutputExistsError):
        convert(scan_folder(photo_folder), tmp_path / "x", small())
    assert (tmp_path / "x").read_text() == "mine"


@pytest.fixture
def odd_folder(tmp_path, photo_tiles):
    """One pixel, a constant image, a strip, and two photographs of unequal sizes."""
    images = {
        "a.png": np.full((1, 1, 3), 200, np.uint8),
        "b.png": np.full((20, 30, 3), 7, np.uint8),
        "c.png": photo_tiles["coffee"][0][:1],
        "d.png": photo_tiles["coffee"][1],
        "e.png": photo_tiles["coffee"][2][:9],
    }
    (tmp_path / "in").mkdir()
    for name, pixels in images.items():
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    return tmp_path / "in"


def test_tiny_and_constant_images_are_converted(odd_folder, tmp_path):
    convert(scan_folder(odd_folder), tmp_path / "x", small(steps=150))
    index = InrdReader(tmp_path / "x").index
    assert index.psnr_db is not None
    assert list(zip(index.heights.tolist(), index.widths.tolist(), strict=True)) == [
        (1, 1),
        (20, 30),
        (1, 32),
        (32, 32),
        (9, 32),
    ]
    assert index.psnr_db[0] > 30 and index.psnr_db[1] > 30


def test_an_image_larger_than_the_fit_s_memory_is_converted_from_a_sample_of_its_pixels(
    odd_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(lattice, "MAX_POINTS", 300)
    convert(scan_folder(odd_folder), tmp_path / "x", small(steps=150))
    assert np.min(psnr_stored(tmp_path / "x")) > 12


@pytest.mark.slow
def test_images_that_miss_their_target_are_reported(odd_folder, tmp_path):
    asked = SirenOptions(hidden=(2, 8), steps=300, psnr_db=30.0)
    summary = convert(scan_folder(odd_folder), tmp_path / "x", asked)
    reader = InrdReader(tmp_path / "x")
    missed = np.asarray(reader.field("fit_outcome")) != 0
    assert np.array_equal(missed, psnr_stored(tmp_path / "x") < 30) and missed[3]
    names = reader.text_field("name") or ()
    assert [failure.name for failure in summary.failures] == [n for n, m in zip(names, missed, strict=True) if m]
    assert all(failure.outcome == Outcome.TARGET_MISSED for failure in summary.failures)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_fits_that_diverge_become_mean_colours_and_are_reported(odd_folder, tmp_path, monkeypatch):
    def poisoned(shape, *, seed):
        return np.full_like(initial_parameters(shape, seed=seed), np.nan)

    monkeypatch.setattr(siren_initialization, "initial_parameters", poisoned)
    summary = convert(scan_folder(odd_folder), tmp_path / "x", small())
    reader = InrdReader(tmp_path / "x")
    # What is one colour anyway has lost nothing.
    assert np.asarray(reader.field("fit_outcome")).tolist() == [0, 0, 2, 2, 2]
    assert [failure.outcome for failure in summary.failures] == [Outcome.DIVERGED] * 3
    psnr_db = psnr_stored(tmp_path / "x")
    assert psnr_db[1] > 30 and psnr_db.min() > 8


def test_a_file_whose_images_are_all_as_asked_says_nothing_of_failures(photo_folder, tmp_path):
    summary = convert(scan_folder(photo_folder), tmp_path / "x", small())
    assert summary.failures == () and InrdReader(tmp_path / "x").field("fit_outcome") is None
