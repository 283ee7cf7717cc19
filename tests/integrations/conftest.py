"""Small .inrd files of photographs, and the examples that the tests run."""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from inrformat import CellsOptions, convert

EXAMPLES = Path(__file__).resolve().parents[2] / "tools" / "examples"


@pytest.fixture(scope="session")
def tile_file(tmp_path_factory: pytest.TempPathFactory, photo_folder: Path) -> Path:
    """Twelve 32 px tiles of two classes."""
    path = tmp_path_factory.mktemp("tiles") / "tiles.inrd"
    convert(photo_folder, path, CellsOptions())
    return path


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports an example of tools/examples by its name, as running it does."""
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module
