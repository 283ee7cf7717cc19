"""The commands as real processes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from inrformat.container.layout import HEADER_BYTES, HEADER_CRC_OFFSET, SECTION
from inrformat.container.metadata import Metadata
from inrformat.container.writer import InrdWriter
from inrformat.conversion.pipeline import convert
from inrformat.families.siren.encoder.options import Pruning, SirenOptions


def inrformat(*arguments, timeout_s=300):
    return subprocess.run(
        [sys.executable, "-m", "inrformat", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def fails(code, text, *arguments):
    """The command ends with ``code`` and one line on standard error that says ``text``."""
    result = inrformat(*arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr.count("\n") == 1
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def psnr(a, b):
    return 20 * np.log10(255 / np.sqrt(((np.asarray(a, float) - np.asarray(b, float)) ** 2).mean()))


def test_convert_info_validate_export_tell_one_story(photo_folder, tmp_path):
    out = tmp_path / "x.inrd"
    done = inrformat("convert", photo_folder, out, "--network", "siren", "--steps", 100, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    converted = json.loads(done.stdout)
    info = json.loads(inrformat("info", out, "--json").stdout)
    assert (info["samples"], info["classes"]) == (12, ["astronaut", "coffee"])
    assert info["bytes"] == converted["bytes"] == out.stat().st_size == sum(info["bytes_by_section"].values())
    assert info["mean_bpp"] == pytest.approx(8 * info["bytes"] / (12 * 32 * 32))
    assert json.loads(inrformat("validate", out, "--json").stdout) == {
        "file": str(out),
        "valid": True,
        "records": 12,
        "findings": [],
    }
    assert inrformat("export", out, tmp_path / "png").returncode == 0
    names = sorted(p.relative_to(photo_folder) for p in photo_folder.rglob("*.png"))
    assert sorted(p.relative_to(tmp_path / "png") for p in (tmp_path / "png").rglob("*.*")) == names
    measured = [psnr(Image.open(photo_folder / n), Image.open(tmp_path / "png" / n)) for n in names]
    assert np.mean(measured) == pytest.approx(info["mean_psnr_db"], abs=0.05)
    assert min(measured) == pytest.approx(info["worst_psnr_db"], abs=0.05)
    assert str(names[int(np.argmin(measured))]) == info["worst_name"]


def test_info_reports_every_image(photo_file):
    values = json.loads(inrformat("info", photo_file, "--per-image", "--json").stdout)
    assert len(values["images"]) == 12
    assert sum(image["bytes"] for image in values["images"]) <= values["bytes_by_section"]["PYLD"]
    assert np.mean([image["psnr_db"] for image in values["images"]]) == pytest.approx(values["mean_psnr_db"], abs=1e-3)
    assert all(image["fit_steps"] >= 250 for image in values["images"])
    text = inrformat("info", photo_file, "--per-image").stdout
    assert text.count("name=astronaut/tile_") == 6


def test_info_says_which_decoders_run_here():
    told = json.loads(inrformat("info", "--backends", "--json").stdout)
    assert told["chosen"]["cpu"] == "cpu" and told["backends"]["reference"] == "runs here"
    assert "records on cpu are decoded by cpu" in inrformat("info", "--backends").stdout
    fails(2, "info takes a FILE", "info")


@pytest.mark.slow
def test_info_says_what_pruning_bought(photo_folder, tmp_path):
    asked = SirenOptions(hidden=(3, 15), steps=200, psnr_db=16.0, prune_trial=False, prune_rounds=2)
    convert(photo_folder, tmp_path / "x.inrd", asked, device="cpu")
    values = json.loads(inrformat("info", tmp_path / "x.inrd", "--per-image", "--json").stdout)
    saved = [image["pruning_saved_bytes"] for image in values["images"]]
    # Automatic pruning compares at equal quality.
    assert values["pruning"] == {"images": sum(s > 0 for s in saved), "saved_bytes": sum(saved), "mean_gain_db": 0}
    assert f"{sum(saved):,} bytes saved, PSNR +0.00 dB" in inrformat("info", tmp_path / "x.inrd").stdout


@pytest.mark.slow
def test_info_says_what_pruning_by_a_ratio_bought(photo_folder, tmp_path):
    asked = SirenOptions(hidden=(3, 15), steps=150, pruning=Pruning.RATIO, prune_ratio=0.4, prune_rounds=2)
    convert(photo_folder, tmp_path / "x.inrd", asked, device="cpu")
    values = json.loads(inrformat("info", tmp_path / "x.inrd", "--per-image", "--json").stdout)
    saved = [image["pruning_saved_bytes"] for image in values["images"]]
    gains_db = [image["pruning_gain_db"] for image in values["images"]]
    assert values["pruning"]["saved_bytes"] == sum(saved) > 0
    assert values["pruning"]["mean_gain_db"] == pytest.approx(sum(gains_db) / len(gains_db), abs=0.01)
    assert f"PSNR {values['pruning']['mean_gain_db']:+.2f} dB" in inrformat("info", tmp_path / "x.inrd").stdout


@pytest.mark.slow
def test_images_that_miss_their_target_are_named(photo_folder, tmp_path):
    out = tmp_path / "x.inrd"
    done = inrformat("convert", photo_folder, out, "--network", "siren", "--steps", 30, "--psnr", 45, "--limit", 7)
    assert done.returncode == 0
    assert "warning: 7 images are not as asked: astronaut/tile_" in done.stderr and "and 2 more" in done.stderr
    assert "7 target missed" in inrformat("info", out).stdout
    values = json.loads(inrformat("info", out, "--per-image", "--json").stdout)
    assert values["failures"] == {"target missed": 7}
    assert [image["fit_outcome"] for image in values["images"]] == ["target missed"] * 7


@pytest.mark.slow
def test_siren_flags_reach_the_encoder(photo_folder, tmp_path):
    def psnr_and_networks(name, *flags):
        out = tmp_path / name
        done = inrformat("convert", photo_folder, out, "--network", "siren", "--steps", 60, "--limit", 6, *flags)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(inrformat("info", out, "--per-image", "--json").stdout)

    shaped = psnr_and_networks("a", "--hidden", "2x9", "--no-shared-base", "--prune", "none")
    assert shaped["networks"] == ["siren 2-9-9-3"]
    small = psnr_and_networks("b", "--preset", "paper-cifar", "--bytes-per-image", 300)
    assert max(image["bytes"] for image in small["images"]) <= 300
    assert small["networks"][0] == "siren 2-15-15-15-3"
    fails(
        2, "unknown preset 'paper'", "convert", photo_folder, tmp_path / "c", "--network", "siren", "--preset", "paper"
    )
    fails(2, "expected LAYERSxWIDTH", "convert", photo_folder, tmp_path / "c", "--network", "siren", "--hidden", "big")


@pytest.mark.slow
def test_cells_are_the_default_and_their_flags_reach_the_encoder(photo_folder, tmp_path):
    def converted(name, *flags):
        out = tmp_path / name
        done = inrformat("convert", photo_folder, out, "--json", *flags)
        assert (done.returncode, done.stderr) == (0, "")
        assert inrformat("validate", out).returncode == 0
        return json.loads(inrformat("info", out, "--per-image", "--json").stdout)

    coarse, fine = converted("coarse", "--quality", 50), converted("fine", "--quality", 90)
    assert coarse["networks"][0].startswith("cells")
    assert coarse["bytes_by_section"]["PYLD"] < fine["bytes_by_section"]["PYLD"] / 2
    assert coarse["mean_psnr_db"] < fine["mean_psnr_db"] - 8
    floor = converted("floor", "--psnr-per-image", 33)
    assert min(image["psnr_db"] for image in floor["images"]) >= 33
    borrowed = converted("borrowed", "--codebook", tmp_path / "coarse")
    assert borrowed["mean_psnr_db"] == coarse["mean_psnr_db"]
    assert inrformat("export", tmp_path / "fine", tmp_path / "png").returncode == 0
    name = "astronaut/tile_2.png"
    (image,) = [image for image in fine["images"] if image["name"] == name]
    measured = psnr(Image.open(photo_folder / name), Image.open(tmp_path / "png" / name))
    assert measured == pytest.approx(image["psnr_db"], abs=0.05)
    # The index starts on a multiple of 4096 bytes, so that sizes come in such steps.
    assert converted("sized", "--target-size", "20kB")["bytes"] in range(20_000 - 4096, 20_001)
    fails(2, "too few for these images", "convert", photo_folder, tmp_path / "x", "--target-size", "5KiB")
    fails(
        2,
        "--quality and --psnr: choose one of --quality, --psnr",
        "convert",
        photo_folder,
        tmp_path / "x",
        "--psnr",
        30,
        "--quality",
        50,
    )
    fails(2, "--steps does not go with --network cells", "convert", photo_folder, tmp_path / "x", "--steps", 5)
    fails(2, "--quality does not", "convert", photo_folder, tmp_path / "x", "--network", "siren", "--quality", 5)
    fails(2, "quality 101", "convert", photo_folder, tmp_path / "x", "--quality", 101)


def test_a_codebook_of_another_family_is_refused(photo_folder, photo_file, tmp_path):
    fails(2, "not a file of cells", "convert", photo_folder, tmp_path / "x", "--codebook", photo_file)


def test_a_built_in_codebook_is_named_and_an_unknown_one_refused(photo_folder, tmp_path):
    assert inrformat("convert", photo_folder, tmp_path / "named", "--codebook", "builtin").returncode == 0
    assert inrformat("validate", tmp_path / "named").returncode == 0
    (line,) = json.loads(inrformat("info", tmp_path / "named", "--json").stdout)["networks"]
    assert line == "cells, built-in codebook cells-1-thumbnail-70"
    with InrdWriter(tmp_path / "later") as writer:
        writer.finish(codebook={"builtin": "cells-9", "step": 8.0}, metadata=Metadata())
    fails(5, "'cells-9' is not known to this reader; upgrade inrformat", "validate", tmp_path / "later")


def test_export_at_another_size(photo_file, tmp_path):
    assert inrformat("export", photo_file, tmp_path / "png", "--size", 80).returncode == 0
    assert {Image.open(p).size for p in (tmp_path / "png").rglob("*.png")} == {(80, 80)}


def test_text_output_names_the_essentials(photo_file):
    text = inrformat("info", photo_file).stdout
    assert "12 of 32x32" in text
    assert "astronaut 6, coffee 6" in text
    assert "siren 2-15-15-15-3" in text
    assert inrformat("validate", photo_file).stdout.endswith(
        f"valid: 12 records, {photo_file.stat().st_size:,} bytes\n"
    )


@pytest.mark.slow
def test_bad_input_gets_one_line_and_its_exit_code(photo_folder, photo_file, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "x.jpg").write_bytes(b"\xff\xd8\xff\xe0 nonsense")
    out = tmp_path / "out.inrd"
    content = photo_file.read_bytes()
    (tmp_path / "short.inrd").write_bytes(content[:-7])
    (tmp_path / "photo.inrd").write_bytes(next(photo_folder.rglob("*.png")).read_bytes())
    newer = bytearray(content)
    newer[9] = 2
    (tmp_path / "newer.inrd").write_bytes(newer)
    fails(4, "no images found", "convert", tmp_path / "empty", out)
    fails(4, "no such folder", "convert", tmp_path / "nowhere", out)
    fails(4, "x.jpg", "convert", tmp_path / "broken", out)
    fails(4, "exists", "convert", photo_folder, photo_file)
    fails(
        4,
        "no such folder for out.inrd; create it first",
        "convert",
        photo_folder,
        tmp_path / "no" / "such" / "out.inrd",
    )
    fails(4, "exists and is not empty", "export", photo_file, tmp_path)
    fails(4, "nowhere.inrd", "info", tmp_path / "nowhere.inrd")
    fails(2, "no CUDA device", "convert", photo_folder, out, "--device", "cuda:0") if not _cuda() else None
    for command in (["info"], ["export", tmp_path / "png"]):
        name, *rest = command
        fails(3, "short.inrd: file has", name, tmp_path / "short.inrd", *rest)
        fails(3, "photo.inrd: not an .inrd file", name, tmp_path / "photo.inrd", *rest)
        fails(5, "newer.inrd: format version 2.0", name, tmp_path / "newer.inrd", *rest)
    fails(5, "newer.inrd: format version 2.0", "validate", tmp_path / "newer.inrd")
    broken = inrformat("validate", tmp_path / "short.inrd")
    assert (broken.returncode, "FILE-SIZE" in broken.stdout) == (3, True)
    assert sorted(os.listdir(tmp_path)) == ["broken", "empty", "newer.inrd", "photo.inrd", "short.inrd"]


def _cuda():

    return torch.cuda.is_available()


@pytest.mark.parametrize(
    "arguments",
    [["convert"], ["nonsense"], ["convert", "a", "b", "--size", "0"], ["convert", "a", "b", "--network", "x"], []],
)
def test_wrong_usage_is_exit_2(arguments):
    result = inrformat(*arguments)
    assert result.returncode == 2
    assert result.stderr.startswith("usage:")


@pytest.mark.slow
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_conversion_leaves_nothing_behind(photo_folder, tmp_path, which):
    endless = ["--network", "siren", "--steps", "1000000"]
    process = subprocess.Popen(
        [sys.executable, "-m", "inrformat", "convert", photo_folder, tmp_path / "x.inrd", *endless],
        stderr=subprocess.PIPE,
        text=True,
        # SIGINT is ignored where pytest itself runs in the background.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    deadline = time.monotonic() + 120
    while not os.listdir(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert os.listdir(tmp_path)  # the temporary file
    process.send_signal(which)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "inrformat: interrupted; no output was left behind\n"
    assert os.listdir(tmp_path) == []


def test_a_damaged_header_is_reported_at_its_place(photo_file, tmp_path):
    content = bytearray(photo_file.read_bytes())
    content[HEADER_BYTES + SECTION.size] ^= 1
    (tmp_path / "x.inrd").write_bytes(content)
    fails(3, f"at byte {HEADER_CRC_OFFSET} [HEADER-CRC]", "info", tmp_path / "x.inrd")


def test_version():
    assert inrformat("--version").stdout.startswith("inrformat 0.")


@pytest.mark.slow
def test_cifar_converts_and_comes_back_as_reported(shared_data, tmp_path):
    source, out = shared_data / "cifar10" / "test", tmp_path / "c.inrd"
    done = inrformat("convert", source, out, "--network", "siren", "--limit", 40, "--steps", 100)
    assert (done.returncode, done.stderr) == (0, "")
    info = json.loads(inrformat("info", out, "--json").stdout)
    assert inrformat("validate", out).returncode == 0
    assert inrformat("export", out, tmp_path / "png").returncode == 0
    files = sorted((tmp_path / "png").rglob("*.png"))
    assert len(files) == info["samples"] == 40
    assert len({f.parent.name for f in files}) == len(info["classes"]) == 10
    measured = np.mean([psnr(Image.open(f), Image.open(source / f.relative_to(tmp_path / "png"))) for f in files])
    assert measured == pytest.approx(info["mean_psnr_db"], abs=0.05)
