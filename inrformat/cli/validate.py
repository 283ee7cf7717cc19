"""``inrformat validate FILE``"""

from __future__ import annotations

import argparse
from typing import Any

from inrformat.cli.arguments import add_json, bar, examples, file_or_url, print_json
from inrformat.container.reader import InrdReader
from inrformat.container.validate import validate_file
from inrformat.errors import InvalidFileError
from inrformat.families.codebook import Codebook
from inrformat.storage.opening import size_of

_EXAMPLES = examples(
    "inrformat validate train.inrd",
    "inrformat validate https://example.org/train.inrd",
    "inrformat validate train.inrd --json",
)


def add_parser(commands: Any) -> None:
    """Register the command."""
    text = "Check structure and checksums of an .inrd file: every section, index entry, record and field."
    parser = commands.add_parser("validate", help="check a file", description=text, **_EXAMPLES)
    parser.add_argument("file", metavar="FILE", type=file_or_url)
    add_json(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong with a file; 0 where nothing is, 3 otherwise."""
    total = size_of(arguments.file)
    with bar(total, unit="B", what="validating", quiet=arguments.json) as progress:
        report = validate_file(arguments.file, check_codebook=_check_codebook, on_bytes=progress.update)
    if arguments.json:
        findings = [
            {"rule": f.rule, "severity": f.severity, "detail": f.detail, "offset_bytes": f.offset_bytes}
            for f in report.findings
        ]
        print_json({"file": report.path, "valid": report.ok, "records": report.records, "findings": findings})
    else:
        for finding in report.findings:
            print(f"{report.path}: {finding}")
        verdict = f"valid: {report.records:,} records, {report.file_bytes:,} bytes" if report.ok else "INVALID"
        print(f"{report.path}: {verdict}")
    return 0 if report.ok else InvalidFileError.exit_code


def _check_codebook(reader: InrdReader) -> None:
    Codebook.from_map(reader.codebook, limits=reader.limits).check(reader.index, limits=reader.limits)
