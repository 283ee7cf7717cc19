"""``python -m inrformat``."""

from inrformat.cli.main import run_and_leave

run_and_leave()
