"""The main figures of a run, in a few lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gpu.journal import Finding

__all__ = ["table"]

_FIGURES = ("images_per_second", "bytes_per_second", "of_synthetic", "host_seconds", "scratch_bytes")


def table(findings: Iterable[Finding]) -> Iterator[str]:
    """Figures by section, then checks and whatever failed."""
    findings = list(findings)
    for finding in findings:
        figures = [f"{name.replace('_', ' ')} {finding[name]:.4g}" for name in _FIGURES if name in finding]
        if figures:
            batch = f", batch {finding['batch']}" if "batch" in finding else ""
            yield f"{finding['section']:<12}{finding['what'] + batch:<58}{'; '.join(figures)}"
    checks = [finding for finding in findings if "passed" in finding]
    failed = [finding for finding in checks if not finding["passed"]]
    yield f"{len(checks) - len(failed)} of {len(checks)} checks passed"
    for finding in failed:
        yield f"FAILED  {finding['section']}: {finding['what']}"
    for finding in findings:
        if "error" in finding:
            yield f"ERROR   {finding['section']}: {finding['what']}: {finding['error'].splitlines()[-1]}"
