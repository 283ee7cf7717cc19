"""Small sets under a built-in codebook."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage import data as photographs

from inrformat import InrdDataset
from inrformat.container.reader import InrdReader
from inrformat.conversion.pipeline import convert
from inrformat.conversion.plan import ConversionPlan, convert_with
from inrformat.conversion.sources.folder import scan_folder
from inrformat.encoding.corpus import Corpus
from inrformat.encoding.record import psnr_db
from inrformat.errors import UsageError
from inrformat.families.cells.encoder.builtin import builtin_codebooks
from inrformat.families.cells.encoder.encoder import CellsEncoder
from inrformat.families.cells.encoder.options import CellsOptions, step_of_quality
from inrformat.families.cells.encoder.rate_distortion import LAMBDA
from inrformat.families.siren.encoder.options import SirenOptions

ASTRONAUT = photographs.astronaut()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    Image.fromarray(ASTRONAUT[::2, ::2]).save(tmp_path / "images" / "a.png")
    Image.fromarray(ASTRONAUT[:130, 100:231]).save(tmp_path / "images" / "b.png")
    return tmp_path / "images"


def test_a_file_that_names_its_codebook_decodes_to_the_stated_psnr(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.inrd"
    convert(folder, out, CellsOptions(quality=73, codebook="builtin"), device="cpu")
    with InrdReader(out) as reader:
        assert set(reader.codebook) == {"builtin", "step"}
        stated = np.asarray(reader.index.psnr_db)
    dataset = InrdDataset(out)
    for number, image in enumerate((ASTRONAUT[::2, ::2], ASTRONAUT[:130, 100:231])):
        decoded = dataset[number][0].permute(1, 2, 0).numpy()
        assert psnr_db(decoded, image) == pytest.approx(stated[number], abs=0.02)


@pytest.mark.slow
def test_the_choice_is_no_dearer_than_either_in_bytes_and_distortion(folder: Path, tmp_path: Path) -> None:
    images = [ASTRONAUT[::2, ::2], ASTRONAUT[:130, 100:231]]
    for quality in (55.0, 90.0):
        options = CellsOptions(quality=quality)
        corpus = dataclasses.replace(Corpus.of(images), complete=False)
        learned = CellsEncoder(options).train(corpus).codebook
        encoders = {
            "learned": CellsEncoder(options, codebook=learned),
            "builtin": CellsEncoder(CellsOptions(quality=quality, codebook="builtin")),
            "chosen": CellsEncoder(options),
        }
        costs = {}
        for way, encoder in encoders.items():
            done = convert_with(encoder, ConversionPlan(source=scan_folder(folder)), tmp_path / f"{way}{quality}")
            with InrdReader(done.output) as reader:
                psnrs = np.asarray(reader.index.psnr_db).tolist()
            squares = sum(i.size * 255**2 * 10 ** (-p / 10) for i, p in zip(images, psnrs, strict=True))
            costs[way] = done.bytes + squares / (8 * LAMBDA * step_of_quality(quality) ** 2)
        assert costs["chosen"] <= 1.002 * min(costs.values())


def test_the_built_in_codebooks_nearest_in_step_are_tried_with_the_step_itself() -> None:
    names = [codebook.builtin for codebook in builtin_codebooks(17.0, channels=3)]
    assert names == ["cells-1-photo-70", "cells-1-thumbnail-70"]
    assert {c.networks[0].to_map()["step"] for c in builtin_codebooks(400.0, channels=3)} == {400.0}
    assert builtin_codebooks(17.0, channels=1) == []


@pytest.mark.parametrize("target", [{"psnr_db": 36.0}, {"psnr_floor_db": 36.0}, {"rate_bpp": 2.0}])
def test_targets_are_met_without_learning(folder: Path, tmp_path: Path, target: dict[str, Any]) -> None:
    options = CellsOptions(**target, codebook="builtin")
    done = convert(folder, tmp_path / "out.inrd", options, device="cpu")
    if "rate_bpp" in target:
        with InrdReader(tmp_path / "out.inrd") as reader:
            rate = 8 * int(reader.index.lengths_bytes.sum()) / done.pixels
        assert rate == pytest.approx(2.0, rel=0.05)
    elif "psnr_db" in target:
        assert done.mean_psnr_db == pytest.approx(36.0, abs=0.3)
    else:
        assert done.worst_psnr_db >= 36.0


def test_grey_images_have_no_built_in_codebook() -> None:
    with pytest.raises(UsageError, match="learn one"):
        CellsEncoder(CellsOptions(codebook="builtin")).train(Corpus.of([ASTRONAUT[..., :1]]))


def test_another_files_codebook_is_read_and_named_where_it_will_not_do(folder: Path, tmp_path: Path) -> None:
    first = convert(folder, tmp_path / "first.inrd", CellsOptions(quality=73), device="cpu")
    again = convert(folder, tmp_path / "again.inrd", CellsOptions(codebook=first.output), device="cpu")
    with InrdReader(first.output) as one, InrdReader(again.output) as other:
        assert one.codebook == other.codebook
    sirens = convert(folder, tmp_path / "sirens.inrd", SirenOptions(steps=20), device="cpu", size=32)
    with pytest.raises(UsageError, match=r"sirens.inrd: not a file of cells"):
        CellsEncoder(CellsOptions(codebook=sirens.output))
