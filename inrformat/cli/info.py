"""``inrformat info FILE``"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from inrformat.cli.options import add_json, print_json
from inrformat.container.layout import HEAD_BLOCK_BYTES
from inrformat.container.reader import InrdReader


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("info", help="what a file holds", description="Say what an .inrd file holds.")
    parser.add_argument("file", metavar="FILE", type=Path)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the summary of a file."""
    with InrdReader(arguments.file) as reader:
        values = describe(reader)
    if arguments.json:
        print_json(values)
    else:
        _print_text(values)
    return 0


def describe(reader: InrdReader) -> dict[str, Any]:
    """Figures of a file, as ``info --json`` prints them; None where a file does not have them."""
    index, header, metadata = reader.index, reader.header, reader.metadata
    pixels = int((index.heights * index.widths).sum())
    sections: Counter[str] = Counter()
    for section in header.sections:
        sections[section.kind.decode("latin-1")] += section.stored_bytes
    alignment = header.file_bytes - HEAD_BLOCK_BYTES - sum(sections.values())
    worst = None if index.psnr_db is None or not len(index) else int(np.argmin(index.psnr_db))
    names = reader.text_field("name")
    return {
        "file": str(reader.path),
        "format_version": ".".join(map(str, header.version)),
        "generator": metadata.generator,
        "samples": len(reader),
        "classes": list(metadata.classes),
        "networks": [_network_line(n) for n in reader.codebook.get("networks", [])],
        "bytes": header.file_bytes,
        "pixels": pixels,
        "mean_bpp": 8 * header.file_bytes / pixels if pixels else None,
        "smallest_image": _extent(index.heights, index.widths, smallest=True),
        "largest_image": _extent(index.heights, index.widths, smallest=False),
        "mean_psnr_db": None if worst is None or index.psnr_db is None else round(float(index.psnr_db.mean()), 4),
        "worst_psnr_db": None if worst is None or index.psnr_db is None else float(index.psnr_db[worst]),
        "worst_sample": worst,
        "worst_name": names[worst] if names is not None and worst is not None else None,
        "fields": {f.name: f.type.value for f in metadata.fields},
        "channel_mean": list(metadata.channel_mean),
        "channel_std": list(metadata.channel_std),
        "bytes_by_section": {"header": HEAD_BLOCK_BYTES, **sections, "alignment": alignment},
        "options": dict(metadata.options),
    }


def _network_line(stored: Any) -> str:
    if isinstance(stored, dict) and isinstance(stored.get("widths"), list):
        return f"{stored.get('family')} {'-'.join(map(str, stored['widths']))}"
    return str(stored.get("family")) if isinstance(stored, dict) else "?"


def _extent(heights: Any, widths: Any, *, smallest: bool) -> list[int] | None:
    if not len(heights):
        return None
    k = int(np.argmin(heights * widths) if smallest else np.argmax(heights * widths))
    return [int(heights[k]), int(widths[k])]


def _print_text(values: dict[str, Any]) -> None:
    size = "no images"
    if values["samples"]:
        small, large = ("x".join(map(str, values[key])) for key in ("smallest_image", "largest_image"))
        size = small if small == large else f"{small} to {large}"
    lines = {
        "file": f"{values['file']} (format {values['format_version']}, by {values['generator']})",
        "samples": f"{values['samples']:,} of {size} (height x width)",
        "classes": f"{len(values['classes'])}: {', '.join(values['classes'][:12])}"
        + (", ..." if len(values["classes"]) > 12 else ""),
        "networks": "; ".join(values["networks"]),
        "bytes": f"{values['bytes']:,}" + (f", {values['mean_bpp']:.3f} bpp" if values["mean_bpp"] else ""),
        "PSNR": "not stored"
        if values["mean_psnr_db"] is None
        else f"mean {values['mean_psnr_db']:.2f} dB, worst {values['worst_psnr_db']:.2f} dB"
        f" (sample {values['worst_sample']}{', ' + values['worst_name'] if values['worst_name'] else ''})",
        "sections": ", ".join(f"{name} {size:,}" for name, size in values["bytes_by_section"].items()),
    }
    for name, text in lines.items():
        print(f"{name:9} {text}")
