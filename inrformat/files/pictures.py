"""Pictures as new PNG files: whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from inrformat.errors import UsageError
from inrformat.files.new_file import new_file

__all__ = ["new_png", "write_png"]


def new_png(path: Path) -> Path:
    """The path of a picture to be written; asked before it is drawn.

    Raises:
        UsageError: it is not named as a PNG file. OutputExistsError, SourceError: see `new_file`.
    """
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path}: pictures are written as PNG files; choose a name that ends in .png")
    return new_file(path)


def write_png(picture: Image.Image, path: Path) -> None:
    """Write it.

    Raises:
        FileExistsError: the file came into being meanwhile; it was left alone. OSError: it cannot be written.
    """
    data = io.BytesIO()
    picture.save(data, "PNG")
    with path.open("xb") as file:
        try:
            file.write(data.getbuffer())
        except BaseException:
            path.unlink()
            raise
