"""Shards as tasks of Ray: on all cores and machines of a cluster; those of a machine that dies are made elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inrformat.conversion.shards import Learned, ShardedConversion
from inrformat.conversion.summary import ConvertSummary
from inrformat.encoding.cores import CORES_VARIABLE
from inrformat.errors import InrdError, UsageError

__all__ = ["RayRunner"]

_FOREVER = -1


@dataclass(frozen=True, slots=True)
class RayRunner:
    """A `Runner`. The folder of the shards has to be one that all machines see.

    Attributes:
        address: of the cluster; None: the one that the environment names, or else this machine.
        cores: of each task.
    """

    address: str | None = None
    cores: int = 1

    def __call__(
        self, conversion: ShardedConversion, learned: Learned, numbers: Sequence[int]
    ) -> Iterator[tuple[int, ConvertSummary]]:
        """See `Runner`.

        Raises:
            UsageError: Ray is not installed, or there is no such cluster. InrdError: what a task raised.
        """
        try:
            import ray
        except ImportError as error:
            raise UsageError('conversion on Ray needs: pip install "inrformat[ray]"') from error
        started = not ray.is_initialized()
        if started:
            try:
                ray.init(address=self.address, log_to_driver=False, include_dashboard=False)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise UsageError(f"no Ray cluster at {self.address}: {error}") from error
        try:
            gpus = 1 if conversion.plan.device.startswith("cuda") else 0
            task = ray.remote(_make).options(num_cpus=self.cores, num_gpus=gpus, max_retries=_FOREVER)
            shared = ray.put((conversion, learned))
            waiting = [task.remote(shared, number, self.cores) for number in numbers]
            while waiting:
                ready, waiting = ray.wait(waiting)
                yield _result(ray, ready[0])
        finally:
            if started:
                ray.shutdown()


def _make(shared: tuple[ShardedConversion, Learned], number: int, cores: int) -> tuple[int, dict[str, Any]]:
    """The task: one shard."""
    os.environ[CORES_VARIABLE] = str(cores)
    conversion, learned = shared
    return number, conversion.make(number, learned).to_map()


def _result(ray: Any, ready: Any) -> tuple[int, ConvertSummary]:
    try:
        number, summary = ray.get(ready)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, InrdError | OSError):
            raise error.cause from error
        raise
    return number, ConvertSummary.from_map(summary)
