"""Arguments of torch's ``DataLoader`` that say nothing to a loader without worker processes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch

from inrformat.errors import UsageError

__all__ = ["prefetched_batches", "seed_of", "warn_of_ignored"]

_WHY = {
    "num_workers": "batches are decoded on the device, in this process",
    "pin_memory": "batches come into being on the device",
    "pin_memory_device": "batches come into being on the device",
    "timeout": "there are no worker processes to wait for",
    "worker_init_fn": "there are no worker processes to prepare",
    "multiprocessing_context": "there are no worker processes to start",
    "persistent_workers": "there are no worker processes to keep",
    "in_order": "batches always come in order",
}


def warn_of_ignored(given: Mapping[str, Any], *, stacklevel: int) -> None:
    """Warn, once for a place in a script, of ``given`` arguments that ask for something and have no meaning here.

    Args:
        given: values by the names that ``DataLoader`` gives them. stacklevel: of ``warnings.warn``.
    """
    asking = [name for name, value in given.items() if (not value if name == "in_order" else value)]
    if asking:
        reasons = "; ".join(f"{name}: {_WHY[name]}" for name in asking)
        warnings.warn(f"InrdLoader takes no notice of {reasons}", UserWarning, stacklevel=stacklevel + 1)


def seed_of(seed: int | None, generator: torch.Generator | None) -> int:
    """The seed of a loader: given, or that of a ``generator`` as it was seeded, or 0.

    Raises:
        UsageError: both are given.
    """
    if generator is None:
        return seed or 0
    if seed is not None:
        raise UsageError("a generator gives the seed: leave one of seed and generator out")
    return generator.initial_seed() & (1 << 63) - 1


def prefetched_batches(prefetch: int | None, prefetch_factor: int | None) -> int:
    """Batches made ahead of time, by either name; 2 by default.

    Raises:
        UsageError: both are given.
    """
    if prefetch is not None and prefetch_factor is not None:
        raise UsageError("prefetch and prefetch_factor say the same: leave one of them out")
    asked = prefetch if prefetch is not None else prefetch_factor
    return 2 if asked is None else asked
