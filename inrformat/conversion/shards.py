"""A conversion to several files, made one after the other, by many processes, or on many machines.

The codebook is learned once, from a sample of the whole source, and every file holds it; the images of a file follow
each other in the source. Which process makes which file changes nothing in them. What is done is written down in the
folder, so that an interrupted conversion goes on; ``manifest.json`` appears last.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inrformat.container.targets import BOX_LABELS_FIELD, LABEL_FIELD, LABELS_FIELD
from inrformat.conversion.file_job import FileJob
from inrformat.conversion.journal import Journal
from inrformat.conversion.plan import ConversionPlan
from inrformat.conversion.progress import Phase, Reporter
from inrformat.conversion.sources.source import Subset
from inrformat.conversion.summary import ConvertSummary
from inrformat.conversion.workspace import Workspace
from inrformat.errors import OutputExistsError, SourceError, UsageError
from inrformat.storage.upload import Destination

__all__ = ["MANIFEST", "Runner", "ShardedConversion", "convert_sharded", "one_by_one"]

MANIFEST = "manifest.json"

Learned = Mapping[str, Any]
Runner = Callable[["ShardedConversion", Learned, Sequence[int]], Iterable[tuple[int, ConvertSummary]]]
"""Makes the files of those numbers, in any order, and says of each that it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardedConversion:
    """Which images go into which file.

    Attributes:
        folder: where the files are made. shards: how many there are.
        destination: the folder elsewhere that each is brought to once it is made; None: they stay.
    """

    plan: ConversionPlan
    folder: Path
    shards: int
    destination: Destination | None = None

    def path(self, number: int) -> Path:
        """The file of that number."""
        return self.folder / f"shard-{number:05}-of-{self.shards:05}.inrd"

    def images(self, number: int) -> range:
        """Numbers of its images in the source."""
        count = len(self.plan.source.names)
        return range(number * count // self.shards, (number + 1) * count // self.shards)

    def learn(self, reporter: Reporter) -> Learned:
        """What all files share."""
        trained = self.plan.learn(self.plan.encoder(reporter), reporter)
        if trained.progress():
            raise UsageError("--target-size goes with one file: its images share the bytes in their order; use --psnr")
        return trained.learned()

    def make(self, number: int, learned: Learned, reporter: Reporter | None = None) -> ConvertSummary:
        """Make the file of that number, or what another process has left to do of it."""
        began = time.monotonic()
        reporter = reporter or Reporter()
        encoder = self.plan.encoder(reporter)
        source = Subset(self.plan.source, self.images(number))
        job = FileJob(source=source, encoder=encoder, settings=self.plan.settings, reporter=reporter)
        path = self.path(number)
        elsewhere = None if self.destination is None else self.destination / path.name
        if elsewhere is not None and elsewhere.exists():
            return ConvertSummary.of_file(elsewhere.url, seconds=time.monotonic() - began)
        path.parent.mkdir(parents=True, exist_ok=True)
        with Workspace(path, resume=True) as workspace:
            workspace.keep = True
            written = None if workspace.complete else job.run(workspace, lambda: encoder.restore(learned, {}))
        seconds = time.monotonic() - began
        if written is None:
            summary = ConvertSummary.of_file(path, seconds=seconds)
        else:
            summary = ConvertSummary.of_written(path, written, remarks=(), seconds=seconds)
        if elsewhere is not None:
            elsewhere.upload()
        return summary


def one_by_one(
    conversion: ShardedConversion, learned: Learned, numbers: Sequence[int]
) -> Iterable[tuple[int, ConvertSummary]]:
    """The runner that makes the files here, one after the other."""
    for number in numbers:
        yield number, conversion.make(number, learned)


def convert_sharded(
    conversion: ShardedConversion,
    *,
    runner: Runner = one_by_one,
    resume: bool = False,
    reporter: Reporter | None = None,
) -> ConvertSummary:
    """Make all files and publish their manifest.

    Raises:
        UsageError: more files than images, a target for the whole, or classes without names, which files could number
            unlike. Others: as in ``convert``.
    """
    began = time.monotonic()
    reporter = reporter or Reporter()
    _check(conversion)
    manifest = None if conversion.destination is None else conversion.destination / MANIFEST
    if manifest is not None:
        manifest.prepare(resume=resume)
        if manifest.exists():
            return _summary_of(conversion, manifest.read_text(), began=began)
    conversion.folder.mkdir(parents=True, exist_ok=True)
    with Workspace(conversion.folder / MANIFEST, resume=resume) as workspace:
        if not workspace.complete:
            try:
                _make_missing(conversion, workspace, runner, reporter)
            except BaseException as error:
                if workspace.keep:
                    error.add_note("what was done so far is kept: the same command with --resume goes on")
                raise
    text = (conversion.folder / MANIFEST).read_text(encoding="utf-8")
    if manifest is not None:
        manifest.upload()
    return _summary_of(conversion, text, began=began)


def _check(conversion: ShardedConversion) -> None:
    source = conversion.plan.source
    if not 1 <= conversion.shards <= len(source.names):
        raise UsageError(f"{conversion.shards} shards of {len(source.names)} images")
    named = {LABEL_FIELD, LABELS_FIELD, BOX_LABELS_FIELD} & {column.name for column in source.columns}
    if named and not source.classes:
        raise UsageError(
            f"{source.place}: its classes have no names, and shards could number them unlike: --class-names"
        )


def _make_missing(conversion: ShardedConversion, workspace: Workspace, runner: Runner, reporter: Reporter) -> None:
    _check_folder(conversion, workspace)
    identity = {
        "source": conversion.plan.source.identity(),
        "options of the encoder": conversion.plan.encoder(reporter).options_map(),
        "number of shards": conversion.shards,
        **conversion.plan.settings.identity(),
    }
    journal = Journal(workspace.journal, identity)
    done = {piece["shard"]: piece["summary"] for piece in journal.pieces()}
    learned = journal.learned
    if learned is None:
        learned = dict(conversion.learn(reporter))
        journal.append(learned)
    workspace.keep = True
    missing = [number for number in range(conversion.shards) if number not in done]
    reporter.begin(Phase.ENCODE, total=len(conversion.plan.source.names), done=_images(conversion, done))
    for number, summary in runner(conversion, learned, missing):
        done[number] = summary.to_map()
        journal.append({"shard": number, "summary": done[number]})
        reporter.reach(_images(conversion, done))
    _publish(conversion, workspace.partial, [done[number] for number in range(conversion.shards)])


def _images(conversion: ShardedConversion, done: Iterable[int]) -> int:
    return sum(len(conversion.images(number)) for number in done)


def _check_folder(conversion: ShardedConversion, workspace: Workspace) -> None:
    """Remove the files of an interrupted conversion that is not to be resumed; refuse files of others."""
    if os.fstat(workspace.journal.fileno()).st_size:
        return
    left = sorted(conversion.folder.glob("shard-*.inrd")) + sorted(conversion.folder.glob(".shard-*.inrd.*"))
    if left and not workspace.removed:
        raise OutputExistsError(f"{left[0]} exists: remove it first or choose another folder")
    for path in left:
        path.unlink()


def _publish(conversion: ShardedConversion, partial: Path, summaries: Sequence[Mapping[str, Any]]) -> None:
    """Write the manifest: whole, or not at all."""
    files = [{**summary, "output": Path(summary["output"]).name} for summary in summaries]
    text = json.dumps({"shards": files}, ensure_ascii=False, indent=1)
    with partial.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(conversion.folder / MANIFEST)


def _summary_of(conversion: ShardedConversion, manifest: str, *, began: float) -> ConvertSummary:
    """Of all files, by their manifest."""
    try:
        shards = [ConvertSummary.from_map(stored) for stored in json.loads(manifest)["shards"]]
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{conversion.folder / MANIFEST}: not a manifest of shards ({error})") from error
    place = conversion.folder if conversion.destination is None else conversion.destination.url
    remarks = conversion.plan.source.remarks
    return ConvertSummary.of_shards(place, shards, remarks=remarks, seconds=time.monotonic() - began)
