"""What lies in tools/ is imported as from there."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def tools_folder():
    """As running a script of tools/ does."""
    folder = str(Path(__file__).resolve().parents[2] / "tools")
    sys.path.insert(0, folder)
    yield
    sys.path.remove(folder)
