"""Files made of photographs for what works with files."""

import shutil

import numpy as np
import pytest

from inrformat import CellsOptions, InrdReader, convert
from inrformat.container.validate import validate_file
from inrformat.families.codebook import Codebook


def decoded_of(path):
    """Names and pixels of all images of a file."""
    from inrformat import InrdDataset

    dataset = InrdDataset(path)
    names = list(dataset.reader.text_field("name") or ())
    return {name: dataset[k][0].numpy() for k, name in enumerate(names)}


def is_valid(path):
    """Whether nothing is wrong with a file, its codebook included."""

    def check(reader):
        Codebook.from_map(reader.codebook).check(reader.index)

    return validate_file(path, check_codebook=check).ok


def column(path, name):
    with InrdReader(path) as reader:
        values = reader.field(name)
        assert values is not None, name
        return [value.tolist() if isinstance(value, np.ndarray | np.generic) else value for value in values]


@pytest.fixture(scope="session")
def class_files(photo_folder, tmp_path_factory):
    """Two files of one class each, with codebooks of their own."""
    folder = tmp_path_factory.mktemp("classes")
    for name, quality in (("coffee", 60.0), ("astronaut", 75.0)):
        (folder / "in" / name).mkdir(parents=True)
        for path in (photo_folder / name).iterdir():
            shutil.copy(path, folder / "in" / name)
        convert(folder / "in", folder / f"{name}.inrd", CellsOptions(quality=quality))
        shutil.rmtree(folder / "in")
    return folder / "coffee.inrd", folder / "astronaut.inrd"


@pytest.fixture(scope="session")
def whole_file(photo_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.inrd"
    convert(photo_folder, path, CellsOptions(quality=60.0))
    return path
