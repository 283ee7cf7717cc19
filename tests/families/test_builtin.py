"""Codebooks that files name instead of storing them."""

import re
from pathlib import Path

import pytest

from inrformat.container.checksum import crc32c
from inrformat.errors import InvalidFileError, UnsupportedVersionError
from inrformat.families.builtin import builtin_codebook_map, builtin_names
from inrformat.families.cells.descriptor import Cells
from inrformat.families.codebook import Codebook
from inrformat.families.registry import family_named

SPEC = Path(__file__).resolve().parents[2] / "spec" / "INRD-1.0.md"
NAME = "cells-1-photo-70"
FOLDER = family_named("cells").codebooks


def test_the_shipped_bytes_are_those_of_the_specification():
    listed = re.findall(r"^\| `(cells-1-[^`]+)` \| (\d+) \| `([0-9a-f]{8})` \|$", SPEC.read_text(), re.M)
    assert tuple(sorted(name for name, _, _ in listed)) == builtin_names("cells")
    assert FOLDER is not None
    for name, length, crc in listed:
        data = (FOLDER / f"{name}.bin").read_bytes()
        assert (len(data), f"{crc32c(data):08x}") == (int(length), crc), name


@pytest.mark.parametrize("name", builtin_names("cells"))
def test_each_is_a_codebook_of_one_cells_network_for_colour(name):
    stored = builtin_codebook_map(name)
    (network,) = Codebook.from_map(stored).networks
    assert isinstance(network, Cells)
    assert network.channels == 3
    referred = Codebook.from_map({"builtin": name, "step": network.step})
    assert Codebook(referred.tables, referred.networks).to_map() == stored


def test_a_reference_keeps_its_name_and_takes_the_step_of_the_file():
    stored = {"builtin": NAME, "step": 12.5}
    codebook = Codebook.from_map({**stored, "later_addition": 1})
    (network,) = codebook.networks
    assert isinstance(network, Cells)
    assert (network.step, codebook.builtin) == (12.5, NAME)
    assert codebook.to_map() == stored


@pytest.mark.parametrize("name", ["cells-2-photo-70", "", "../cells", "cells-1-photo-70.bin"])
def test_an_unknown_name_is_refused_with_the_remedy(name):
    with pytest.raises(UnsupportedVersionError, match="upgrade inrformat"):
        Codebook.from_map({"builtin": name, "step": 8.0})


@pytest.mark.parametrize(
    "stored",
    [
        {"builtin": NAME},
        {"builtin": NAME, "step": 8},
        {"builtin": NAME, "step": float("nan")},
        {"builtin": NAME, "step": 0.0},
        {"builtin": None, "step": 8.0},
        {"builtin": NAME, "step": 8.0, "tables": []},
        {"builtin": NAME, "step": 8.0, "networks": []},
    ],
)
def test_a_malformed_reference_is_refused(stored):
    with pytest.raises(InvalidFileError):
        Codebook.from_map(stored)
