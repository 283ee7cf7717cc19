"""The conversion: look at a source, learn what its images share, stream them through the encoder, finish the file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from inrformat.conversion.on_ranks import convert_on_ranks, inside_ranks
from inrformat.conversion.plan import convert_with
from inrformat.conversion.planning import plan_conversion
from inrformat.conversion.progress import OnProgress, Phase, Reporter
from inrformat.conversion.shards import Runner, ShardedConversion, convert_sharded, one_by_one
from inrformat.conversion.sources.items import TargetChoice
from inrformat.conversion.summary import ConvertSummary
from inrformat.encoding.encoder import EncoderOptions
from inrformat.storage.opening import is_url
from inrformat.storage.upload import Destination

__all__ = ["ConvertSummary", "convert"]


def convert(
    source: Any,
    output: str | os.PathLike[str],
    options: EncoderOptions | None = None,
    *,
    network: str | None = None,
    size: int | None = None,
    alpha: str = "drop",
    grey: bool = False,
    split: str | None = None,
    class_names: Sequence[str] = (),
    targets: Mapping[str, TargetChoice] | None = None,
    storage_options: Mapping[str, Any] | None = None,
    on_error: str = "raise",
    resume: bool = False,
    device: str | torch.device = "auto",
    seed: int = 0,
    sample_images: int = 256,
    jobs: int = 0,
    shards: int | None = None,
    runner: Runner = one_by_one,
    on_progress: OnProgress = lambda _progress: None,
    **asked: Any,
) -> ConvertSummary:
    """Convert images to the new file ``output``.

        convert("photos/train", "train.inrd", quality=80, size=256)

    Args:
        source: a path, a URL, several image files, or a data set that gives images, map-style or iterable: what
            ``inrformat.conversion.sources`` has a module for, recognised by looking (`open_source`).
        options: of the network family to convert to (`CellsOptions`, `SirenOptions`), in place of the next two.
        network: the family; None: the default one. asked: its options by name, ``quality=80``.
        size: short side in pixels to resize to first, or None to keep each image's size.
        alpha: what becomes of transparency: ``"drop"``; ``"matte=white"``: laid over a colour; ``"keep"``: a fourth
            channel. grey: keep one channel.
        split: of a data set in splits. class_names: by number, where the source has none of its own.
        targets: what becomes of targets of a Python data set that are not understood, by key: ``"bytes"`` keeps one,
            None leaves it out. storage_options: for the file system of fsspec, where the source is elsewhere.
        on_error: what becomes of unreadable images: ``"raise"``; ``"skip"``: leave them out; ``"limit=N"``: at most N.
        resume: go on where an interrupted conversion of the same source with the same options ended.
        device: where to encode: "cpu", "cuda", "cuda:N" or "auto".
        seed: of the choice of the images that are learned from.
        sample_images: at most so many are learned from; fewer where they are very large.
        jobs: threads that read images; 0: one for each core.
        shards: make a folder of so many files instead. runner: where: here, one after the other, or on a cluster
            (``RayRunner`` of ``inrformat.conversion.on_ray``).
        on_progress: is told how far the conversion is.

    Raises:
        SourceError: no images, or an unreadable one. OutputExistsError: ``output`` exists. OutputBusyError: another
            process is making it. UsageError: what was asked for cannot be had. Nothing is left behind then, but for
            what ``resume`` goes on from, once some images are done.
    """
    reporter = Reporter(on_progress)
    reporter.begin(Phase.SCAN, total=0)
    plan = plan_conversion(
        source,
        options,
        network=network,
        size=size,
        alpha=alpha,
        grey=grey,
        split=split,
        class_names=class_names,
        targets=targets,
        storage_options=storage_options,
        on_error=on_error,
        device=device,
        seed=seed,
        sample_images=sample_images,
        jobs=jobs,
        **asked,
    )
    destination = Destination(str(output), storage_options=storage_options) if is_url(output) else None
    path = Path(output).expanduser() if destination is None else destination.local
    if shards is None:
        if destination is None:
            return convert_with(plan.encoder(reporter), plan, path, reporter=reporter, resume=resume)
        destination.prepare(resume=resume)
        summary = convert_with(plan.encoder(reporter), plan, path, reporter=reporter, resume=resume)
        destination.upload()
        return replace(summary, output=destination.url)
    conversion = ShardedConversion(plan=plan, folder=path, shards=shards, destination=destination)
    if runner is one_by_one and inside_ranks():
        return convert_on_ranks(conversion, resume=resume, reporter=reporter)
    return convert_sharded(conversion, runner=runner, resume=resume, reporter=reporter)
