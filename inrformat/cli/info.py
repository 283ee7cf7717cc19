"""``inrformat info FILE``"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from inrformat.cli.arguments import add_json, examples, file_or_url, print_json
from inrformat.container.reader import InrdReader
from inrformat.container.targets import LABEL_FIELD, checked_column
from inrformat.conversion.report import OUTCOME_WORDS, Report
from inrformat.encoding.record import Outcome
from inrformat.errors import UsageError
from inrformat.families.builtin import builtin_names
from inrformat.families.registry import family_named, family_names
from inrformat.files.statistics import class_counts, target_counts

_PRUNING = "{images} images smaller, {saved_bytes:,} bytes saved, PSNR {mean_gain_db:+.2f} dB on average"


_EXAMPLES = examples(
    "inrformat info train.inrd",
    "inrformat info train.inrd --per-image | head",
    "inrformat info --backends",
)


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "info", help="what a file holds", description="Say what an .inrd file holds.", **_EXAMPLES
    )
    parser.add_argument("file", metavar="FILE", type=file_or_url, nargs="?")
    parser.add_argument("--per-image", action="store_true", help="a line for each image too")
    parser.add_argument(
        "--backends", action="store_true", help="which decoders run on this machine, and why not others"
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the summary of a file, or of this machine's decoders."""
    if arguments.backends:
        _print_backends(as_json=arguments.json)
    if arguments.file is None:
        if not arguments.backends:
            raise UsageError("info takes a FILE, or --backends")
        return 0
    with InrdReader(arguments.file) as reader:
        values = describe(reader)
        images = describe_images(reader) if arguments.per_image else []
    if arguments.json:
        print_json({**values, "images": images} if arguments.per_image else values)
        return 0
    _print_text(values)
    for image in images:
        print("\t".join(f"{key}={value}" for key, value in image.items() if value is not None))
    return 0


def _print_backends(*, as_json: bool) -> None:
    import torch

    from inrformat.decoding.availability import backends
    from inrformat.decoding.dispatch import backend_for

    chosen = {kind: backend_for(torch.device(kind)).name for kind in ("cpu", "cuda") if kind == "cpu" or _has_cuda()}
    states = {b.name: "runs here" if b.missing is None else str(b.missing) for b in backends()}
    if as_json:
        print_json({"backends": states, "chosen": chosen})
        return
    for name, state in states.items():
        print(f"{name:<10} {state}")
    for kind, name in chosen.items():
        print(f"records on {kind} are decoded by {name}")


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def describe_images(reader: InrdReader) -> list[dict[str, Any]]:
    """The report of each image: what it is and took; None where the file does not say."""
    index, label, classes = reader.index, checked_column(reader, LABEL_FIELD), reader.metadata.classes
    columns: dict[str, Sequence[Any] | None] = {
        "name": reader.text_field("name"),
        "height": index.heights.tolist(),
        "width": index.widths.tolist(),
        "bytes": index.lengths_bytes.tolist(),
        "psnr_db": None if index.psnr_db is None else index.psnr_db.tolist(),
        "label": None if label is None else [classes[number] for number in np.asarray(label).tolist()],
        **Report.of(reader).columns(),
    }
    return [{key: None if c is None else c[k] for key, c in columns.items()} for k in range(len(reader))]


def _pruning(report: Report) -> dict[str, float] | None:
    """Images that pruning made smaller, bytes saved on all and the mean change of PSNR; None if none was pruned."""
    if report.saved_bytes is None and report.gain_db is None:
        return None
    saved = report.saved_bytes or ()
    return {
        "images": sum(s > 0 for s in saved),
        "saved_bytes": sum(saved),
        "mean_gain_db": _mean(report.gain_db) or 0.0,
    }


def describe(reader: InrdReader) -> dict[str, Any]:
    """Figures of a file, as ``info --json`` prints them; None where a file does not have them."""
    index, header, metadata, report = reader.index, reader.header, reader.metadata, Report.of(reader)
    failures = Counter(o for o in report.outcomes or () if o != OUTCOME_WORDS[Outcome.OK])
    pixels = int((index.heights * index.widths).sum())
    sections: Counter[str] = Counter()
    for section in header.sections:
        sections[section.kind.decode("latin-1")] += section.stored_bytes
    alignment = header.file_bytes - header.sections_start_bytes - sum(sections.values())
    worst = None if index.psnr_db is None or not len(index) else int(np.argmin(index.psnr_db))
    names = reader.text_field("name")
    return {
        "file": str(reader.path),
        "format_version": ".".join(map(str, header.version)),
        "generator": metadata.generator,
        "samples": len(reader),
        "classes": list(metadata.classes),
        "networks": _network_lines(reader.codebook),
        "bytes": header.file_bytes,
        "pixels": pixels,
        "mean_bpp": 8 * header.file_bytes / pixels if pixels else None,
        "smallest_image": _extent(index.heights, index.widths, smallest=True),
        "largest_image": _extent(index.heights, index.widths, smallest=False),
        "mean_psnr_db": None if worst is None or index.psnr_db is None else round(float(index.psnr_db.mean()), 4),
        "worst_psnr_db": None if worst is None or index.psnr_db is None else float(index.psnr_db[worst]),
        "worst_sample": worst,
        "worst_name": names[worst] if names is not None and worst is not None else None,
        "mean_fit_steps": _mean(report.steps),
        "mean_zero_weights_percent": _mean(report.zero_weights_percent),
        "pruning": _pruning(report),
        "failures": dict(sorted(failures.items())),
        "fields": {f.name: f.type.value for f in metadata.fields},
        "channel_mean": list(metadata.channel_mean),
        "channel_std": list(metadata.channel_std),
        "bytes_by_section": {"header": header.sections_start_bytes, **sections, "alignment": alignment},
        "options": dict(metadata.options),
        "class_counts": class_counts(reader),
        "targets": {name: {"images": images, "items": n} for name, (images, n) in _targets(reader).items()},
    }


def _targets(reader: InrdReader) -> dict[str, tuple[int, int]]:
    """Images and things of each column of targets, but for the report of the conversion."""
    report = Report.of(reader).columns()
    return {name: counts for name, counts in target_counts(reader).items() if name not in report}


def _mean(values: Sequence[Any] | None) -> float | None:
    return round(float(np.mean(values)), 2) if values else None


def _network_lines(codebook: Mapping[str, Any]) -> list[str]:
    if "builtin" in codebook:
        name = str(codebook["builtin"])
        families = {family for family in family_names() if name in builtin_names(family)}
        return [", ".join([*families, f"built-in codebook {name}"])]
    return [_network_line(n) for n in codebook.get("networks", [])]


def _network_line(stored: Any) -> str:
    name = stored.get("family") if isinstance(stored, dict) else None
    if name not in family_names():
        return str(name or "?")
    text: str = family_named(name).describe()(stored)
    return text


def _extent(heights: Any, widths: Any, *, smallest: bool) -> list[int] | None:
    if not len(heights):
        return None
    k = int(np.argmin(heights * widths) if smallest else np.argmax(heights * widths))
    return [int(heights[k]), int(widths[k])]


def _counted(values: dict[str, Any]) -> list[str]:
    """Classes with how many images or objects they have."""
    counts = values["class_counts"]
    return [f"{name} {counts[name]:,}" if name in counts else name for name in values["classes"]]


def _print_text(values: dict[str, Any]) -> None:
    size = "no images"
    if values["samples"]:
        small, large = ("x".join(map(str, values[key])) for key in ("smallest_image", "largest_image"))
        size = small if small == large else f"{small} to {large}"
    lines = {
        "file": f"{values['file']} (format {values['format_version']}, by {values['generator']})",
        "samples": f"{values['samples']:,} of {size} (height x width)",
        "classes": f"{len(values['classes'])}: {', '.join(_counted(values)[:12])}"
        + (", ..." if len(values["classes"]) > 12 else ""),
        "networks": "; ".join(values["networks"]),
        "bytes": f"{values['bytes']:,}" + (f", {values['mean_bpp']:.3f} bpp" if values["mean_bpp"] else ""),
        "PSNR": "not stored"
        if values["mean_psnr_db"] is None
        else f"mean {values['mean_psnr_db']:.2f} dB, worst {values['worst_psnr_db']:.2f} dB"
        f" (sample {values['worst_sample']}{', ' + values['worst_name'] if values['worst_name'] else ''})",
        "asked": ", ".join(
            f"{name} {value}" for name, value in values["options"].items() if value not in (None, False)
        ),
        "targets": "; ".join(
            f"{name}: {found['items']:,} in {found['images']:,} of {values['samples']:,} images"
            for name, found in values["targets"].items()
        )
        or "none",
        "fitting": "closed form"
        if values["mean_fit_steps"] is None
        else f"{values['mean_fit_steps']:g} steps, fine-tuning included, and "
        f"{values['mean_zero_weights_percent']:g} % zero weights on average",
        **({"pruning": _PRUNING.format_map(values["pruning"])} if values["pruning"] else {}),
        **(
            {"failures": ", ".join(f"{n} {o}" for o, n in values["failures"].items()) + " (see --per-image)"}
            if values["failures"]
            else {}
        ),
        "sections": ", ".join(f"{name} {size:,}" for name, size in values["bytes_by_section"].items()),
    }
    for name, text in lines.items():
        print(f"{name:9} {text}")
