"""The measurements on a GPU, as far as they go without one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from skimage import data as photographs

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "bench" / "on_gpu.py"
AMOUNTS = (
    "--images 1 --side 8 --siren-images 1 --siren-side 8 --siren-hidden 2 8 --siren-steps 2".split()  # noqa: SIM905
)


def on_gpu(*arguments):
    """The script's output."""
    environment = os.environ | {"PYTHONPATH": str(SCRIPT.parents[2]), "TRITON_INTERPRET": "1"}
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """What is carried to a GPU, of one image."""
    folder = tmp_path_factory.mktemp("on_gpu")
    Image.fromarray(photographs.astronaut()).save(folder / "astronaut.png")
    done = on_gpu("prepare", folder, folder / "bundle", *AMOUNTS)
    assert done.returncode == 0, done.stderr
    return folder / "bundle"


def test_sections_run_without_a_gpu_and_write_what_they_find(bundle):
    sections = ["machine", "parity", "damage", "residency", "graphs"]
    done = on_gpu("run", bundle, "--device", "cpu", "--only", *sections)
    assert done.returncode == 0, done.stdout + done.stderr
    findings = [json.loads(line) for line in (bundle / "findings.jsonl").read_text().splitlines()]
    assert [f["section"] for f in findings if f["what"] == "took"] == sections
    checked = {f["section"] for f in findings if f.get("passed")}
    assert checked == {"parity", "damage", "residency"}
    assert done.stdout.splitlines()[-1].endswith("checks passed")


def test_a_section_that_fails_or_takes_too_long_leaves_the_others(bundle):
    (bundle / "siren.inrd").rename(bundle / "elsewhere.inrd")
    try:
        done = on_gpu("run", bundle, "--device", "cpu", "--only", "residency", "machine")
        none = on_gpu("run", bundle, "--device", "cpu", "--only", "machine", "--seconds", "0.01")
    finally:
        (bundle / "elsewhere.inrd").rename(bundle / "siren.inrd")
    assert done.returncode == 1
    assert "ERROR   residency: ended early: " in done.stdout and "siren.inrd" in done.stdout
    assert "residency   cells, device" in done.stdout and "machine     copy on the device" in done.stdout
    assert none.returncode == 1 and "took longer than 0 s" in none.stdout
