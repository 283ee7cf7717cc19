"""``inrformat export FILE DIR``"""

from __future__ import annotations

import argparse
from typing import Any

from inrformat.cli.arguments import add_json, bar, examples, file_or_url, local_path, print_json
from inrformat.encoding.flag_types import positive_int
from inrformat.errors import UsageError

_EXAMPLES = examples(
    "inrformat export train.inrd photos --format jpeg --quality 95",
    "inrformat export train.inrd shards --to webdataset --shard-images 5000",
    "inrformat export coco.inrd coco --annotations coco",
)


def add_parser(commands: Any) -> None:
    """Register the command."""
    text = "Decode every image to files, under the class folders and names of the source, or to WebDataset tar shards."
    parser = commands.add_parser("export", help=".inrd file -> images", description=text, **_EXAMPLES)
    parser.add_argument("file", metavar="FILE", type=file_or_url)
    parser.add_argument("folder", metavar="DIR", type=local_path, help="folder to make; must not exist, or be empty")
    parser.add_argument("--to", choices=["folder", "webdataset"], default="folder", help="default: %(default)s")
    parser.add_argument("--format", choices=["png", "jpeg", "webp"], default="png", help="default: %(default)s")
    parser.add_argument("--quality", type=int, metavar="Q", help="of jpeg and webp, 1 to 100 (95)")
    parser.add_argument("--size", type=positive_int, metavar="N", help="decode with a short side of N pixels")
    parser.add_argument("--annotations", choices=["coco"], help="write targets in COCO's form beside the images")
    parser.add_argument(
        "--shard-images", type=positive_int, default=1000, metavar="N", help="of tar shards (%(default)s)"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Export, then say how many images were written."""
    from inrformat.data.dataset import InrdDataset
    from inrformat.files.export.folder import export_folder
    from inrformat.files.export.image_format import Encoding, ImageFormat
    from inrformat.files.export.webdataset import export_webdataset

    if arguments.annotations and (arguments.size or arguments.to != "folder"):
        raise UsageError("--annotations is of images at native size in a folder: leave out --size and --to webdataset")
    dataset = InrdDataset(arguments.file, size=arguments.size)
    encoding = Encoding(ImageFormat(arguments.format), arguments.quality)
    with bar(len(dataset), unit=" images", what="exporting", quiet=arguments.json) as progress:
        if arguments.to == "webdataset":
            export_webdataset(
                dataset,
                arguments.folder,
                encoding=encoding,
                shard_images=arguments.shard_images,
                on_images=progress.update,
            )
        else:
            export_folder(
                dataset,
                arguments.folder,
                encoding=encoding,
                with_coco=arguments.annotations is not None,
                on_images=progress.update,
            )
    if arguments.json:
        print_json({"folder": str(arguments.folder), "samples": len(dataset)})
    else:
        print(f"{arguments.folder}: {len(dataset)} images")
    return 0
