"""``inrformat convert SOURCE OUT.inrd``"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inrformat.cli.arguments import OUTCOMES, add_json, bar, positive_int, print_json
from inrformat.errors import OutputExistsError, UsageError
from inrformat.families.cells.flags import BUILTIN, add_cells_flags, cells_options, read_codebook
from inrformat.families.siren.flags import add_siren_flags, siren_options

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from inrformat.convert.pipeline import ConvertSummary
    from inrformat.convert.sources import ImageSource
    from inrformat.encode.record import Encoder

_DESCRIPTION = """Convert a folder of images: one class a sub-folder, as torchvision's ImageFolder reads them, or a flat
folder without classes. EXIF orientation is applied, transparency dropped, and of animations the first frame taken."""

_SHOWN = 5
_CELLS_ONLY = ("quality", "psnr-per-image", "target-size", "codebook")
_SIREN_ONLY = (
    "steps", "preset", "hidden", "bytes-per-image", "no-shared-base", "prune", "prune-ratio", "prune-drop",
)  # fmt: skip


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("convert", help="folder of images -> .inrd file", description=_DESCRIPTION)
    parser.add_argument("source", metavar="SOURCE", type=Path, help="folder of images")
    parser.add_argument("output", metavar="OUT.inrd", type=Path, help="file to write; must not exist")
    parser.add_argument("--network", choices=["cells", "siren"], default="cells", help="family (default: %(default)s)")
    parser.add_argument("--size", type=positive_int, metavar="N", help="make the short side N pixels (Lanczos)")
    parser.add_argument("--psnr", type=float, metavar="DB", help="PSNR to reach: on average (cells), or each (siren)")
    parser.add_argument(
        "--limit", type=positive_int, metavar="N", help="convert N images, spread evenly over the source"
    )
    parser.add_argument(
        "--sample-images",
        type=positive_int,
        default=256,
        metavar="N",
        help="learn from N images (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of every random choice (default: 0)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: %(default)s)")
    parser.add_argument(
        "--skip-unreadable", action="store_true", help="leave unreadable images out instead of stopping"
    )
    _add_target_flags(parser)
    add_cells_flags(parser)
    add_siren_flags(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def _add_target_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("targets other than class folders")
    group.add_argument(
        "--annotations",
        metavar="PATH",
        type=Path,
        help="COCO .json, or folder of YOLO .txt files: boxes, outlines, ...",
    )
    group.add_argument(
        "--masks", metavar="DIR", type=Path, help="semantic masks: .png of class numbers, named as images"
    )
    group.add_argument("--class-names", metavar="FILE", type=Path, help=".yaml of YOLO, or text with one name a line")


def _annotated(source: ImageSource, arguments: argparse.Namespace) -> ImageSource:
    """The source with the targets that were asked for."""
    if arguments.annotations is None and arguments.masks is None:
        if arguments.class_names is not None:
            raise UsageError("--class-names goes with --annotations or --masks")
        return source
    from inrformat.convert.annotations import read_annotations, read_class_names, with_masks

    classes = read_class_names(arguments.class_names) if arguments.class_names is not None else ()
    found = read_annotations(arguments.annotations, classes=classes) if arguments.annotations is not None else None
    if arguments.masks is not None:
        found = with_masks(found, arguments.masks, classes=classes)
    return source if found is None else source.annotated(found)


def run(arguments: argparse.Namespace) -> int:
    """Convert, then say what came of it."""
    if arguments.output.exists():  # before torch is loaded and the source scanned
        raise OutputExistsError(f"{arguments.output} exists: remove it first or choose another name")
    from inrformat.convert.pipeline import convert
    from inrformat.convert.sources import scan_folder
    from inrformat.decode.devices import checked_device

    device = checked_device(arguments.device)
    source = _annotated(scan_folder(arguments.source), arguments).limited(arguments.limit)
    with bar(len(source), unit=" images", what="converting", quiet=arguments.json) as progress:
        summary = convert(
            source,
            arguments.output,
            _encoder(arguments, source, device, progress.update),
            size=arguments.size,
            seed=arguments.seed,
            skip_unreadable=arguments.skip_unreadable,
            sample_images=arguments.sample_images,
        )
    _report(summary, as_json=arguments.json)
    return 0


def _encoder(
    arguments: argparse.Namespace, source: ImageSource, device: torch.device, progress: Callable[[float], None]
) -> Encoder:
    """The encoder of the family that was asked for."""
    foreign = _SIREN_ONLY if arguments.network == "cells" else _CELLS_ONLY
    for flag in foreign:
        if getattr(arguments, flag.replace("-", "_")):
            raise UsageError(f"--{flag} does not go with --network {arguments.network}")
    if arguments.network == "cells":
        from inrformat.convert.size_budget import size_budget
        from inrformat.families.cells.encoder.encoder import CellsEncoder

        target = arguments.target_size
        room = None if target is None else size_budget(source, target, size=arguments.size)
        return CellsEncoder(
            cells_options(arguments),
            codebook=read_codebook(arguments.codebook),
            learn=arguments.codebook != BUILTIN,
            images=len(source),
            room=room,
            device=device if device.type == "cuda" else None,
            progress=progress,
        )
    from inrformat.families.siren.encoder.encoder import SirenEncoder

    return SirenEncoder(siren_options(arguments), device=device, progress=progress)


def _report(summary: ConvertSummary, *, as_json: bool) -> None:
    values = {
        "output": str(summary.output),
        "samples": summary.samples,
        "bytes": summary.bytes,
        "mean_bpp": round(summary.rate_bpp, 4),
        "mean_psnr_db": round(summary.mean_psnr_db, 2),
        "worst_psnr_db": round(summary.worst_psnr_db, 2),
        "skipped": list(summary.skipped),
        "failures": [
            {"name": name, "outcome": OUTCOMES[outcome], "psnr_db": round(psnr_db, 2)}
            for name, outcome, psnr_db in summary.failures
        ],
        "seconds": round(summary.seconds, 2),
        "images_per_second": round(summary.samples / summary.seconds, 2),
    }
    if as_json:
        print_json(values)
        return
    print(
        f"{summary.output}: {summary.samples} images, {summary.bytes:,} bytes ({summary.rate_bpp:.3f} bpp), "
        f"PSNR mean {summary.mean_psnr_db:.2f} dB, worst {summary.worst_psnr_db:.2f} dB, "
        f"{summary.seconds:.1f} s ({summary.samples / summary.seconds:.1f} images/s)"
    )
    for name in summary.skipped:
        print(f"skipped: {name}")
    if summary.failures:
        shown = [f"{name} ({OUTCOMES[outcome]}, {psnr:.2f} dB)" for name, outcome, psnr in summary.failures[:_SHOWN]]
        more = f" and {len(summary.failures) - _SHOWN} more (info --per-image)" * (len(summary.failures) > _SHOWN)
        print(f"warning: {len(summary.failures)} images are not as asked: {', '.join(shown)}{more}", file=sys.stderr)
