"""Shards divided among the ranks of a job that ``torchrun`` started; each has the GPU of its own number, if any."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist

from inrformat.conversion.progress import Reporter
from inrformat.conversion.shards import Learned, ShardedConversion, convert_sharded
from inrformat.conversion.summary import ConvertSummary

__all__ = ["convert_on_ranks", "inside_ranks"]


def inside_ranks() -> bool:
    """Whether this process is one of several that ``torchrun`` started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


def convert_on_ranks(
    conversion: ShardedConversion, *, resume: bool = False, reporter: Reporter | None = None
) -> ConvertSummary:
    """`convert_sharded`, called by every rank; the first one learns and publishes.

    Raises:
        As `convert_sharded`, in every rank.
    """
    started = not dist.is_initialized()
    if started:
        dist.init_process_group("gloo")
    try:
        conversion = _on_own_device(conversion)
        if dist.get_rank():
            return _work(conversion)
        return _lead(conversion, resume=resume, reporter=reporter)
    finally:
        if started:
            dist.destroy_process_group()


def _lead(conversion: ShardedConversion, *, resume: bool, reporter: Reporter | None) -> ConvertSummary:
    """What rank 0 does: tell the others what to make, make its own part, and tell how it ended."""

    def run(conversion: ShardedConversion, learned: Learned, numbers: Sequence[int]) -> list[Any]:
        _broadcast((learned, list(numbers)))
        return _gathered(_made(conversion, learned, numbers))

    try:
        ended: Any = convert_sharded(conversion, runner=run, resume=resume, reporter=reporter)
    except Exception as error:
        ended = error
    _broadcast(ended.to_map() if isinstance(ended, ConvertSummary) else ended)
    if isinstance(ended, Exception):
        raise ended
    summary: ConvertSummary = ended
    return summary


def _work(conversion: ShardedConversion) -> ConvertSummary:
    """What the other ranks do: as they are told, until they are told how it ended."""
    told = _broadcast(None)
    if isinstance(told, tuple):
        with suppress(Exception):  # another rank's, or this one's: rank 0 has it too, and tells
            _gathered(_made(conversion, *told))
        told = _broadcast(None)
    if isinstance(told, Exception):
        raise told
    return ConvertSummary.from_map(told)


def _on_own_device(conversion: ShardedConversion) -> ShardedConversion:
    """Each rank of a machine with GPUs has the one of its number there."""
    if conversion.plan.device not in {"auto", "cuda"} or not torch.cuda.is_available():
        return conversion
    device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return replace(conversion, plan=replace(conversion.plan, device=device))


def _made(conversion: ShardedConversion, learned: Learned, numbers: Sequence[int]) -> list[Any]:
    """This rank's shards: as (number, summary), or the text of the error that ended it."""
    mine = list(numbers)[dist.get_rank() :: dist.get_world_size()]
    made: list[Any] = []
    try:
        for number in mine:
            made.append((number, conversion.make(number, learned).to_map()))
    except Exception as error:
        made.append(error)
    return made


def _broadcast(told: Any) -> Any:
    """What rank 0 says."""
    box = [told]
    dist.broadcast_object_list(box)
    return box[0]


def _gathered(mine: list[Any]) -> list[tuple[int, ConvertSummary]]:
    """What all ranks made. Raises: the first error of any of them."""
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, mine)
    results = [result for of_rank in every for result in of_rank]
    for result in results:
        if isinstance(result, Exception):
            raise result
    return [(number, ConvertSummary.from_map(summary)) for number, summary in results]
