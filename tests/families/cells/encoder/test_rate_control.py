"""Targets that hold for a whole data set: mean PSNR, file size."""

import argparse
import dataclasses

import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from inrformat.container.layout import PAGE_ALIGNMENT
from inrformat.container.reader import InrdReader
from inrformat.conversion.pipeline import convert
from inrformat.conversion.plan import ConversionPlan, convert_with
from inrformat.conversion.settings import Settings
from inrformat.conversion.sources.folder import scan_folder
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.flag_types import byte_count
from inrformat.errors import UsageError
from inrformat.families.cells.encoder.encoder import CellsEncoder
from inrformat.families.cells.encoder.options import CellsOptions


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pieces of three photographs, 96 px and larger; sorted by photograph, so that the first are unlike the last."""
    root = tmp_path_factory.mktemp("pieces")
    for name, photo in (("a", photographs.astronaut()), ("b", photographs.coffee()), ("c", photographs.chelsea())):
        for n in range(16):
            y, x = 12 * n, (37 * n) % 150
            Image.fromarray(photo[y : y + 96 + 8 * (n % 3), x : x + 128]).save(root / f"{name}{n:02}.png")
    return root


def to_size(folder, out, target_bytes):
    return convert(folder, out, CellsOptions(target_bytes=target_bytes), device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("target_bytes", [70_000, 160_000, 400_000])
def test_a_file_has_the_size_asked_for(folder, tmp_path, target_bytes):
    summary = to_size(folder, tmp_path / "x", target_bytes)
    # Files grow in pages: the index starts on one.
    assert target_bytes - PAGE_ALIGNMENT - 0.01 * target_bytes < summary.bytes <= target_bytes


@pytest.mark.slow
def test_a_set_that_is_encoded_in_many_pieces_has_the_size_asked_for(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("inrformat.conversion.reading.PIECE_IMAGES", 5)
    monkeypatch.setattr("inrformat.conversion.learning._CALIBRATION_IMAGES", 16)
    options = CellsOptions(target_bytes=160_000)
    summary = convert(folder, tmp_path / "x", options, device="cpu", sample_images=12)
    assert 160_000 - PAGE_ALIGNMENT - 1600 < summary.bytes <= 160_000
    psnr_db = InrdReader(tmp_path / "x").index.psnr_db
    assert np.min(np.asarray(psnr_db)) > 30


@pytest.mark.slow
def test_too_small_a_size_is_refused_and_the_smallest_possible_is_named_and_possible(folder, tmp_path):
    with pytest.raises(UsageError, match="smallest file is about") as caught:
        to_size(folder, tmp_path / "x", 8_000)
    assert not (tmp_path / "x").exists()
    smallest = int(str(caught.value).rsplit("about ", 1)[1].replace(",", "").removesuffix(" bytes"))
    assert to_size(folder, tmp_path / "x", smallest + PAGE_ALIGNMENT).bytes <= smallest + PAGE_ALIGNMENT


@pytest.mark.slow
def test_a_size_beyond_the_best_quality_gives_a_smaller_file(folder, tmp_path):
    summary = to_size(folder, tmp_path / "x", 100_000_000)
    assert summary.bytes < 2_000_000 and summary.mean_psnr_db > 45


@pytest.mark.slow
@pytest.mark.parametrize("psnr_db", [31.0, 40.0])
def test_the_mean_psnr_of_a_whole_set_is_met(folder, tmp_path, psnr_db):
    summary = convert(folder, tmp_path / "x", CellsOptions(psnr_db=psnr_db), device="cpu")
    assert summary.mean_psnr_db == pytest.approx(psnr_db, abs=0.05)


@pytest.mark.slow
def test_another_files_codebook_serves_another_quality_and_another_mean(folder, tmp_path):
    source = scan_folder(folder)
    corpus = dataclasses.replace(Corpus.of([photographs.coffee()]), complete=False)
    codebook = CellsEncoder(CellsOptions(quality=60)).train(corpus).codebook
    plan = ConversionPlan(source=source)
    coarse, fine = (
        convert_with(CellsEncoder(CellsOptions(quality=q), codebook=codebook), plan, tmp_path / str(q))
        for q in (55, 75)
    )
    assert fine.mean_psnr_db > coarse.mean_psnr_db + 5
    targeted = convert_with(CellsEncoder(CellsOptions(psnr_db=36), codebook=codebook), plan, tmp_path / "x")
    assert targeted.mean_psnr_db == pytest.approx(36, abs=0.05)


def test_sizes_are_written_as_people_write_them():
    sizes = [byte_count(text) for text in ("500000", "200kB", "1.5MB", "14GB", "64MiB", "2 kib", "14G")]
    assert sizes == [500_000, 200_000, 1_500_000, 14_000_000_000, 64 << 20, 2048, 14_000_000_000]
    for text in ("", "12XB", "0", "-3kB", "MB", "1e9"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a size"):
            byte_count(text)


def test_more_than_one_target_is_refused():
    with pytest.raises(UsageError):
        CellsOptions(psnr_db=30, target_bytes=1000)


def test_learning_from_more_images_is_an_option(folder, tmp_path):
    source = scan_folder(folder)
    seen = []

    class Counting(CellsEncoder):
        def train(self, corpus):
            seen.append((len(corpus.sample), corpus.complete))
            return super().train(corpus)

    for count in (3, 48, 100):
        plan = ConversionPlan(source=source, settings=Settings(sample_images=count))
        convert_with(Counting(CellsOptions(quality=60)), plan, tmp_path / str(count))
    assert seen == [(3, False), (48, True), (48, True)]
