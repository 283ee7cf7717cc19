"""``inrformat convert SOURCE OUT.inrd``"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inrformat.cli.arguments import add_json, examples, print_json, write_report
from inrformat.conversion.sources.kinds import SourceKind
from inrformat.encoding.flag_types import AUTO, positive_int
from inrformat.errors import OutputExistsError, UsageError
from inrformat.families.registry import DEFAULT_FAMILY, family_named, family_names
from inrformat.storage.opening import is_url

if TYPE_CHECKING:
    from inrformat.cli.progress import ProgressDisplay
    from inrformat.conversion.pipeline import ConvertSummary
    from inrformat.conversion.shards import Runner
    from inrformat.conversion.sources.source import Source
    from inrformat.encoding.encoder import EncoderOptions

_DESCRIPTION = """Convert a data set to a file of small networks. SOURCE is a folder of images, one class per
sub-folder or flat, image files, a table (.csv, .tsv, .jsonl), a COCO, YOLO or Pascal VOC data set, WebDataset or
Parquet shards, a Hugging Face data set, MODULE:ATTRIBUTE of Python, another .inrd, or a URL of one of these."""
_EXAMPLES = examples(
    "inrformat convert photos/train train.inrd --size 256",
    "inrformat convert coco coco-{split}.inrd --quality 80 --on-error skip --report coco.json",
    "inrformat convert s3://bucket/photos s3://bucket/photos-inrd --shards 64 --ray auto --resume",
)
_SHOWN = 5


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("convert", help="data set -> .inrd file", description=_DESCRIPTION, **_EXAMPLES)
    parser.add_argument("source", metavar="SOURCE", nargs="+", help="what to convert; several image files")
    parser.add_argument(
        "output", metavar="OUT.inrd", help="file to write; must not exist; {split} in it: one for each split"
    )
    parser.add_argument(
        "--source",
        dest="kind",
        choices=[kind.value for kind in SourceKind],
        help="what SOURCE is, where looking is not enough",
    )
    parser.add_argument("--split", metavar="NAME", help="of a data set in splits: train, val2017, ...")
    parser.add_argument(
        "--network", choices=family_names(), default=DEFAULT_FAMILY, help="family of networks (default: %(default)s)"
    )
    parser.add_argument("--size", type=positive_int, metavar="N", help="make the short side N pixels (Lanczos)")
    parser.add_argument(
        "--alpha",
        default="drop",
        metavar="HOW",
        help="transparency: drop (the default), keep (a fourth channel), or matte=COLOUR (over white, #20c0ff, ...)",
    )
    parser.add_argument("--grey", action="store_true", help="keep one channel")
    parser.add_argument("--psnr", type=float, metavar="DB", help="PSNR to reach, see the families below")
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
        "--on-error",
        default="raise",
        metavar="HOW",
        help="unreadable images: raise (stop, the default), skip, or limit=N (leave out at most N)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="convert a sample, and say what size, PSNR and time to expect"
    )
    parser.add_argument("--resume", action="store_true", help="go on where an interrupted run of this command ended")
    parser.add_argument(
        "--jobs",
        type=positive_int,
        default=0,
        metavar="N",
        help="threads that read images (default: one for each core)",
    )
    parser.add_argument(
        "--shards", type=positive_int, metavar="N", help="make a folder of N files, OUT, with a manifest"
    )
    parser.add_argument(
        "--ray",
        nargs="?",
        const="local",
        metavar="ADDRESS",
        help="make the shards on a Ray cluster, or on all cores here where no address is given",
    )
    parser.add_argument("--report", metavar="FILE", type=Path, help="write what --json prints to FILE too")
    _add_target_flags(parser)
    families = [family_named(name) for name in family_names()]
    flags = {f.name: f.flags().add_flags(parser.add_argument_group(f.name, f.summary)) for f in families}
    add_json(parser)
    parser.set_defaults(run=run, family_flags=flags)


def _add_target_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("targets other than class folders")
    group.add_argument(
        "--annotations",
        metavar="PATH",
        type=Path,
        action="append",
        default=[],
        help="COCO .json (repeat it for captions and the like), or folder of YOLO .txt or VOC .xml files",
    )
    group.add_argument(
        "--masks",
        metavar="DIR",
        type=Path,
        help="semantic masks: .png, .tif, .npy, ... of class numbers, named as images",
    )
    group.add_argument("--class-names", metavar="FILE", type=Path, help=".yaml of YOLO, or text with one name per line")


def _opened(arguments: argparse.Namespace, split: str | None) -> Source:
    """The source, with the targets that were asked for."""
    from inrformat.conversion.annotations.class_names import read_class_names, read_keypoint_shape
    from inrformat.conversion.annotations.masks import read_masks
    from inrformat.conversion.annotations.reading import read_annotations
    from inrformat.conversion.sources.annotated import annotated
    from inrformat.conversion.sources.listed import ListedSource
    from inrformat.conversion.sources.opening import SourceQuestion, open_source
    from inrformat.conversion.sources.source import limited

    names_file = arguments.class_names
    classes = read_class_names(names_file) if names_file is not None else ()
    keypoint_shape = read_keypoint_shape(names_file) if names_file is not None else None
    kind = SourceKind(arguments.kind) if arguments.kind else None
    if arguments.annotations and kind is None and Path(arguments.source[0]).is_dir():
        kind = SourceKind.FOLDER  # whatever annotations lie beside the images: those asked for take their place
    asked = SourceQuestion(kind=kind, split=split, class_names=classes)
    source = open_source(arguments.source, asked)
    sets = []
    if arguments.annotations:
        sets.append(read_annotations(*arguments.annotations, classes=classes, keypoint_shape=keypoint_shape))
    if arguments.masks is not None:
        sets.append(read_masks(arguments.masks, classes=classes))
    if sets:
        if not isinstance(source, ListedSource):
            raise UsageError("--annotations and --masks go with files of images, not with Python data sets")
        source = annotated(source, *sets)
    return limited(source, arguments.limit)


def run(arguments: argparse.Namespace) -> int:
    """Convert, then say what came of it; of each split where the output's name has room for that."""
    from inrformat.conversion.sources.splits import SplitMissingError

    if "{split}" not in arguments.output:
        return _convert(arguments, arguments.output, arguments.split)
    splits = [arguments.split] if arguments.split else []
    if not splits:
        try:
            _opened(arguments, None)
        except SplitMissingError as error:
            splits = error.splits
    if not splits:
        raise UsageError(f"{arguments.output}: the source has no splits for {{split}} to stand for")
    for split in splits:
        _convert(arguments, arguments.output.replace("{split}", split), split)
    return 0


def _convert(arguments: argparse.Namespace, output: str, split: str | None) -> int:
    looked_at_later = arguments.resume or arguments.shards is not None or is_url(output)
    if not looked_at_later and Path(output).expanduser().exists():  # before anything takes time
        raise OutputExistsError(f"{output} exists: remove it first or choose another name")
    from inrformat.cli.progress import ProgressDisplay
    from inrformat.conversion.pipeline import convert
    from inrformat.conversion.progress import Phase, Progress

    asked: dict[str, Any] = {"options": _options(arguments)}
    if getattr(arguments, "quality", None) == AUTO:
        asked = {"network": arguments.network, "quality": AUTO}
    settings = {
        **asked,
        "device": arguments.device,
        "size": arguments.size,
        "alpha": arguments.alpha,
        "grey": arguments.grey,
        "seed": arguments.seed,
        "on_error": arguments.on_error,
        "jobs": arguments.jobs,
        "sample_images": arguments.sample_images,
    }
    is_first = os.environ.get("RANK", "0") == "0"  # of the processes of a job, which all come here
    with ProgressDisplay(quiet=arguments.json or not is_first) as display:
        display.show(Progress(Phase.SCAN, 0, 0))
        source = _opened(arguments, split)
        if arguments.dry_run:
            return _foretell(source, settings, display, as_json=arguments.json)
        summary = convert(
            source,
            output,
            resume=arguments.resume,
            shards=arguments.shards,
            runner=_runner(arguments),
            on_progress=display.show,
            **settings,
        )
    if not is_first:
        return 0
    if arguments.report is not None:
        write_report(arguments.report, _summary_map(summary))
    if arguments.json:
        print_json(_summary_map(summary))
    else:
        _print_summary(summary)
    return 0


def _foretell(source: Source, settings: dict[str, Any], display: ProgressDisplay, *, as_json: bool) -> int:
    """Say what a conversion would give."""
    from inrformat.conversion.forecast import forecast
    from inrformat.conversion.planning import plan_conversion
    from inrformat.conversion.progress import Reporter

    found = forecast(plan_conversion(source, **settings), reporter=Reporter(display.show))
    if as_json:
        print_json(asdict(found))
    else:
        print(
            f"dry run: {found.samples} images, about {found.bytes:,} bytes, PSNR about {found.mean_psnr_db:.2f} dB, "
            f"about {found.seconds:.0f} s here (from {found.encoded} images; nothing was written)"
        )
    return 0


def _runner(arguments: argparse.Namespace) -> Runner:
    """Where shards are made."""
    if arguments.ray is None:
        from inrformat.conversion.shards import one_by_one

        return one_by_one
    if arguments.shards is None:
        raise UsageError("--ray makes shards: say how many with --shards N")
    from inrformat.conversion.on_ray import RayRunner

    return RayRunner(None if arguments.ray == "local" else arguments.ray, cores=arguments.jobs or 1)


def _options(arguments: argparse.Namespace) -> EncoderOptions | None:
    """The options of the family that was asked for; None where they depend on the images.

    Raises:
        UsageError: a flag of another family was given, or values are out of range.
    """
    for family, flags in arguments.family_flags.items():
        given = [flag for flag in flags if getattr(arguments, flag.dest) != flag.default]
        if given and family != arguments.network:
            raise UsageError(f"{given[0].option_strings[0]} does not go with --network {arguments.network}")
    if getattr(arguments, "quality", None) == AUTO:
        return None  # known when the images were looked at
    options: EncoderOptions = family_named(arguments.network).flags().read_options(arguments)
    return options


def _summary_map(summary: ConvertSummary) -> dict[str, Any]:
    from inrformat.conversion.report import OUTCOME_WORDS

    return {
        "output": str(summary.output),
        "samples": summary.samples,
        "bytes": summary.bytes,
        "mean_bpp": round(summary.rate_bpp, 4),
        "mean_psnr_db": round(summary.mean_psnr_db, 2),
        "worst_psnr_db": round(summary.worst_psnr_db, 2),
        "skipped": [{"name": s.name, "reason": s.reason} for s in summary.skipped],
        "failures": [
            {"name": f.name, "outcome": OUTCOME_WORDS[f.outcome], "psnr_db": round(f.psnr_db, 2)}
            for f in summary.failures
        ],
        "notes": {note.value: count for note, count in sorted(summary.notes.items())},
        "remarks": list(summary.remarks),
        "resumed_images": summary.resumed_images,
        "seconds": round(summary.seconds, 2),
        "images_per_second": round((summary.samples - summary.resumed_images) / summary.seconds, 2),
    }


def _print_summary(summary: ConvertSummary) -> None:
    from inrformat.conversion.report import OUTCOME_WORDS

    done = summary.samples - summary.resumed_images
    resumed = f", {summary.resumed_images} of them by an interrupted run" * bool(summary.resumed_images)
    print(
        f"{summary.output}: {summary.samples} images{resumed}, {summary.bytes:,} bytes ({summary.rate_bpp:.3f} bpp), "
        f"PSNR mean {summary.mean_psnr_db:.2f} dB, worst {summary.worst_psnr_db:.2f} dB, "
        f"{summary.seconds:.1f} s ({done / summary.seconds:.1f} images/s)"
    )
    for line in (*summary.remarks, *(f"{count} {note.value}" for note, count in sorted(summary.notes.items()))):
        print(line)
    for skipped in summary.skipped[:_SHOWN]:
        print(f"skipped: {skipped.reason}")
    if len(summary.skipped) > _SHOWN:
        print(f"skipped: {len(summary.skipped) - _SHOWN} more (--report FILE lists all)")
    if summary.failures:
        first = summary.failures[:_SHOWN]
        shown = [f"{f.name} ({OUTCOME_WORDS[f.outcome]}, {f.psnr_db:.2f} dB)" for f in first]
        more = f" and {len(summary.failures) - _SHOWN} more (info --per-image)" * (len(summary.failures) > _SHOWN)
        print(f"warning: {len(summary.failures)} images are not as asked: {', '.join(shown)}{more}", file=sys.stderr)
