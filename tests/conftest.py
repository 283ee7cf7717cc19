"""Real photographs for every test, and small files made from them once."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

if not torch.cuda.is_available():
    # Without a GPU kernels run in Triton's interpreter, which must be chosen before anything loads Triton.
    os.environ.setdefault("TRITON_INTERPRET", "1")

from PIL import Image
from skimage import data as photographs

from inrformat.conversion.pipeline import convert
from inrformat.decoding.availability import OLDEST_TRITON, triton_version
from inrformat.families.siren.encoder.options import SirenOptions

torch.set_num_threads(2)
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a test can need that not every machine has; a marker says that a test needs it.

    Attributes:
        present: whether this machine has it. missing: what to say where it has not.
        expected: environment variable that is 1 where it must be there, so that no such test is skipped unnoticed.
    """

    present: Callable[[], bool]
    missing: str
    expected: str


EQUIPMENT = {
    "gpu": Equipment(
        present=torch.cuda.is_available, missing="torch finds no CUDA device", expected="INRFORMAT_EXPECT_GPU"
    ),
    "node": Equipment(
        present=lambda: shutil.which("node") is not None,
        missing="there is no node on the PATH",
        expected="INRFORMAT_EXPECT_NODE",
    ),
}
"""By marker."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose equipment is missing; fail it where the equipment is expected."""
    for marker, equipment in EQUIPMENT.items():
        if item.get_closest_marker(marker) is None or equipment.present():
            continue
        if os.environ.get(equipment.expected) == "1":
            pytest.fail(f"{equipment.missing}, though {equipment.expected}=1", pytrace=False)
        # Most machines lack some of it and can still run the rest; those that must not set the variable above.
        pytest.skip(equipment.missing)


def tiles(image: np.ndarray, *, side: int, count: int) -> list[np.ndarray]:
    """``count`` square pieces of a photograph, reduced to 32 px, from left to right."""
    height, width = image.shape[:2]
    columns = np.linspace(0, width - side, count).astype(int)
    top = (height - side) // 2
    pieces = [Image.fromarray(image[top : top + side, x : x + side]) for x in columns]
    return [np.asarray(piece.resize((32, 32), Image.Resampling.LANCZOS)) for piece in pieces]


@pytest.fixture(scope="session")
def nvidia_compiler() -> None:
    """For tests that compile kernels for NVIDIA's GPUs, which need not be there."""
    if importlib.util.find_spec("triton.backends.nvidia") is None:
        # Kernels are compiled for NVIDIA's GPUs by that backend alone; Triton for other devices comes without it.
        pytest.skip("this Triton has no NVIDIA backend")
    if triton_version() < OLDEST_TRITON:
        # The decoder refuses such a Triton as well, with the remedy; CI has a newer one.
        pytest.skip("the kernels need a newer Triton")


@pytest.fixture(scope="session")
def kernel_report(nvidia_compiler: None) -> Callable[..., dict[str, Any]]:
    """Runs ``tools/kernel_report.py`` for a compute capability: what compiled kernels take and execute."""

    def run(sm: int, *, only: str = "") -> dict[str, Any]:
        script = Path(__file__).resolve().parents[1] / "tools" / "kernel_report.py"
        environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
        environment["PYTHONPATH"] = str(script.parents[1])
        command = [sys.executable, str(script), str(sm), "--only", only, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return run


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public image sets, where this checkout has one beside it."""
    if not SHARED_DATA.is_dir():
        # Licences keep these sets out of the project: CI has them beside the checkout, a user's machine does not.
        pytest.skip("the public image sets are not on this machine (../shared/data)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def photo_tiles() -> dict[str, list[np.ndarray]]:
    """Six 32 px tiles of each of two photographs: uint8 (32, 32, 3)."""
    return {
        "astronaut": tiles(photographs.astronaut(), side=256, count=6),
        "coffee": tiles(photographs.coffee(), side=256, count=6),
    }


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory, photo_tiles: dict[str, list[np.ndarray]]) -> Path:
    """The tiles as a folder in ImageFolder's layout."""
    folder = tmp_path_factory.mktemp("photos")
    for name, images in photo_tiles.items():
        (folder / name).mkdir()
        for number, image in enumerate(images):
            Image.fromarray(image).save(folder / name / f"tile_{number}.png")
    return folder


@pytest.fixture(scope="session")
def photo_file(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Path:
    """The folder as an .inrd file of sirens, fitted long enough to be recognisable."""
    path = tmp_path_factory.mktemp("inrd") / "photos.inrd"
    convert(photo_folder, path, SirenOptions(steps=250), device="cpu")
    return path
