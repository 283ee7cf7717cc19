"""Conversions in fresh processes, for tests that the bytes of a file do not hang on where and when it was made."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inrformat

Digest = Callable[..., str]


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory, photo_tiles: dict[str, list[np.ndarray]]) -> Path:
    """Twelve pieces of photographs, 12 px high: without an instruction for it, a multiply-add takes a library call."""
    folder = tmp_path_factory.mktemp("small")
    for number, image in enumerate([*photo_tiles["astronaut"], *photo_tiles["coffee"]]):
        Image.fromarray(image[:12, : 12 + 4 * (number % 2)]).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def digest(small_folder: Path, tmp_path: Path) -> Digest:
    """A function that converts the folder in a process of its own and returns a digest of the file's bytes.

    Args: flags: of the command, in one string. cache: where numba keeps what it compiled. threads: of torch. Further
    keywords: environment variables.
    """
    numbers = iter(range(100))

    def converted(flags: str, *, cache: Path, threads: int = 2, **variables: str) -> str:
        path = tmp_path / f"{next(numbers)}.inrd"
        environment = {
            **os.environ,
            "NUMBA_CACHE_DIR": str(cache),
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": str(Path(inrformat.__file__).parents[1]),
            **variables,
        }
        command = [sys.executable, "-m", "inrformat", "convert", str(small_folder), str(path), "--device", "cpu"]
        done = subprocess.run([*command, *flags.split()], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return hashlib.sha256(path.read_bytes()).hexdigest()

    return converted
