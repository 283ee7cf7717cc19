"""``inrformat stats FILE``"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inrformat.cli.arguments import add_json, examples, file_or_url, local_path, print_json
from inrformat.container.reader import InrdReader

if TYPE_CHECKING:
    from inrformat.files.statistics import Histogram, Statistics

_EXAMPLES = examples(
    "inrformat stats train.inrd",
    "inrformat stats train.inrd --picture stats.png",
    "inrformat stats train.inrd --json | jq .class_counts",
)
_BAR_CHARACTERS = 40
_MOST_CLASSES = 20


def add_parser(commands: Any) -> None:
    """Register the command."""
    text = "Histograms of bits per pixel and PSNR, counts of classes and targets, means of channels: no record is read."
    parser = commands.add_parser("stats", help="what a file holds, in numbers", description=text, **_EXAMPLES)
    parser.add_argument("file", metavar="FILE", type=file_or_url)
    parser.add_argument("--picture", metavar="OUT.png", type=local_path, help="draw the histograms; must not exist")
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print statistics, and draw them where that is asked for."""
    from inrformat.files.pictures import new_png, write_png
    from inrformat.files.statistics import statistics_of

    if arguments.picture is not None:
        new_png(arguments.picture)
    with InrdReader(arguments.file) as reader:
        statistics = statistics_of(reader)
    if arguments.picture is not None:
        from inrformat.files.statistics_picture import draw_statistics

        write_png(draw_statistics(statistics, title=Path(arguments.file).name), arguments.picture)
    if arguments.json:
        print_json({"file": arguments.file, **statistics.to_map()})
    else:
        _print_text(arguments.file, statistics)
    return 0


def _print_text(file: str, statistics: Statistics) -> None:
    print(f"{file}: {statistics.samples:,} images, {statistics.bytes:,} bytes")
    for title, histogram in (
        ("bits per pixel", statistics.rate_bpp),
        ("PSNR, dB", statistics.psnr_db),
        ("short side, px", statistics.short_sides),
    ):
        if histogram is not None:
            _print_histogram(title, histogram)
    if statistics.channel_mean:
        mean, std = ([round(v, 4) for v in values] for values in (statistics.channel_mean, statistics.channel_std))
        print(f"\nchannels: mean {mean}, deviation {std}")
    if statistics.targets:
        print("\ntargets")
        for name, (images, items) in statistics.targets.items():
            print(f"  {name:<24} {items:>10,} in {images:,} of {statistics.samples:,} images")
    if statistics.class_counts:
        print("\nclasses")
        ordered = sorted(statistics.class_counts.items(), key=lambda pair: -pair[1])
        most = max(ordered[0][1], 1)
        for name, count in ordered[:_MOST_CLASSES]:
            print(f"  {name[:24]:<24} {count:>10,} {'#' * round(_BAR_CHARACTERS * count / most)}")
        if len(ordered) > _MOST_CLASSES:
            print(f"  and {len(ordered) - _MOST_CLASSES} more (--json)")


def _print_histogram(title: str, histogram: Histogram) -> None:
    print(f"\n{title}: mean {histogram.mean:.4g}, median {histogram.median:.4g}")
    if histogram.least == histogram.most:
        return
    most = histogram.counts.max()
    for low, high, count in zip(histogram.edges[:-1], histogram.edges[1:], histogram.counts.tolist(), strict=True):
        print(f"  {low:>9.4g} to {high:<9.4g} {count:>10,} {'#' * round(_BAR_CHARACTERS * count / most)}")
