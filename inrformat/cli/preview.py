"""``inrformat preview FILE OUT.png``"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inrformat.cli.arguments import add_json, examples, file_or_url, local_path, print_json
from inrformat.encoding.flag_types import positive_int
from inrformat.errors import SourceError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXAMPLES = examples(
    "inrformat preview train.inrd sheet.png",
    "inrformat preview train.inrd worst.png --worst --original photos/train",
    "inrformat preview coco.inrd boxes.png --count 8",
)


def add_parser(commands: Any) -> None:
    """Register the command."""
    text = "Draw a contact sheet: decoded images with their targets, beside the originals and what differs."
    parser = commands.add_parser("preview", help="a contact sheet", description=text, **_EXAMPLES)
    parser.add_argument("file", metavar="FILE", type=file_or_url)
    parser.add_argument("output", metavar="OUT.png", type=local_path, help="picture to write; must not exist")
    parser.add_argument("--original", metavar="DIR", type=local_path, help="the folder that was converted")
    parser.add_argument("--count", type=positive_int, default=16, metavar="N", help="so many images (%(default)s)")
    parser.add_argument("--worst", action="store_true", help="those of the lowest PSNR, instead of some from all over")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Draw, then say which images are shown."""
    if arguments.original is not None and not arguments.original.is_dir():
        raise SourceError(f"{arguments.original}: no such folder")
    from inrformat.data.dataset import InrdDataset
    from inrformat.files.contact_sheet import Sheet, choose_rows, draw_sheet
    from inrformat.files.pictures import new_png, write_png

    output = new_png(arguments.output)
    dataset = InrdDataset(arguments.file)
    rows = choose_rows(dataset, arguments.count, worst=arguments.worst)
    folder: Path | None = arguments.original

    def original(name: str, size: tuple[int, int]) -> NDArray[np.uint8] | None:
        return None if folder is None else _original(folder / name, size)

    write_png(draw_sheet(dataset, Sheet(rows, None if folder is None else original)), output)
    if arguments.json:
        print_json({"output": str(arguments.output), "rows": rows})
    else:
        print(f"{arguments.output}: {len(rows)} of {len(dataset)} images")
    return 0


def _original(file: Path, size: tuple[int, int]) -> NDArray[np.uint8] | None:
    """The image as it was converted; None where it is not there, or of another shape."""
    if not file.is_file():
        return None
    from inrformat.conversion.pixels.read import load_image

    for candidate in (load_image(file), load_image(file, size=min(size))):
        if candidate.shape[:2] == size:
            return candidate
    return None
