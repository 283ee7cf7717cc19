"""Kill conversions at random moments, resume them until they end, and compare the files with uninterrupted ones.

    python tools/bench/kill_and_resume.py ../shared/data/clothing/validation --kills 100

Every trial starts a conversion, kills it (SIGKILL) at a random moment of its life, and runs the same command with
``--resume``, which may be killed again. Pieces are made small, so that kills fall between them, too. The result goes to
``tools/bench/results/kill_and_resume.json``.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
_RUN = """
import sys
from inrformat.conversion import reading
reading.PIECE_IMAGES = 8
from inrformat.cli.main import run_and_leave
run_and_leave()
"""


def command(source: Path, output: Path, *flags: str) -> list[str]:
    """A conversion in small pieces."""
    return [sys.executable, "-c", _RUN, "convert", str(source), str(output), "--size", "96", "--limit", "160", *flags]


def uninterrupted(arguments: list[str]) -> float:
    """Seconds that a whole conversion takes."""
    began = time.monotonic()
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def killed(arguments: list[str], seconds: float) -> bool:
    """Start a conversion and kill it after so many seconds; False where it had ended before."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def main() -> None:
    """Kill, resume, compare, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--flags", nargs=argparse.REMAINDER, default=[], help="of the conversion")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    moments = random.Random(arguments.seed)
    kills = trials = identical = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        uninterrupted(command(arguments.source, folder / "first.inrd", *arguments.flags))  # compiles what is not yet
        (folder / "first.inrd").unlink()
        seconds = uninterrupted(command(arguments.source, folder / "whole.inrd", *arguments.flags))
        whole = (folder / "whole.inrd").read_bytes()
        while kills < arguments.kills:
            output = folder / f"{trials}.inrd"
            while killed(command(arguments.source, output, "--resume", *arguments.flags), moments.uniform(0, seconds)):
                kills += 1
            subprocess.run(
                command(arguments.source, output, "--resume", *arguments.flags), check=True, stdout=subprocess.DEVNULL
            )
            trials += 1
            identical += output.read_bytes() == whole
            left = [path.name for path in folder.iterdir() if path.name not in {"whole.inrd", output.name}]
            if left:
                sys.exit(f"left behind: {left}")
            output.unlink()
            print(f"{kills} kills, {trials} files, {identical} identical", flush=True)
    result = {
        "command": f"python tools/bench/kill_and_resume.py PHOTOGRAPHS --kills {arguments.kills}",
        "kills": kills,
        "files": trials,
        "identical_files": identical,
        "seconds_uninterrupted": round(seconds, 1),
    }
    (RESULTS / "kill_and_resume.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
