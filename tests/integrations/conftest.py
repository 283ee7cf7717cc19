"""Small .inrd files of photographs, and the examples that the tests run."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from inrformat import CellsOptions, convert


@pytest.fixture(scope="session")
def tile_file(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Path:
    """Twelve 32 px tiles of two classes."""
    path = tmp_path_factory.mktemp("tiles") / "tiles.inrd"
    convert(photo_folder, path, CellsOptions())
    return path


@pytest.fixture(scope="session")
def examples_folder() -> Path:
    """Where the examples are."""
    return Path(__file__).resolve().parents[2] / "tools" / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, examples_folder: Path) -> Callable[[str], ModuleType]:
    """Imports an example of tools/examples by its name, as running it does."""
    monkeypatch.syspath_prepend(examples_folder)
    return importlib.import_module


@pytest.fixture
def launched(examples_folder: Path) -> Callable[..., str]:
    """Runs an example as several processes, as torchrun does: what it printed last."""

    def run(script: str, *arguments: object, processes: int, **environment: str) -> str:
        torchrun = ["torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        command = [sys.executable, "-m", *torchrun, str(examples_folder / script), *map(str, arguments)]
        variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()[-1]

    return run
