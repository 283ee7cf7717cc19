"""Findings as they come: a line of JSON each, in one file, which a crash leaves readable."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

__all__ = ["read", "write"]

Finding = dict[str, Any]


def write(path: Path, section: str, finding: Finding) -> None:
    """Add a finding, and say it."""
    line = json.dumps({"section": section, "at": time.strftime("%H:%M:%S"), **finding})
    with path.open("a") as file:
        file.write(line + "\n")
    print(line, flush=True)


def read(path: Path) -> list[Finding]:
    """All findings so far."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
