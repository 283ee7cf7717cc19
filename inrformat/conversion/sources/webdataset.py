"""WebDataset: tar files in which a sample is all members with the same name up to the first dot.

Images are read where they lie in the tar file, in any order; nothing is unpacked. ``.cls`` is a class number, ``.txt``
a caption; ``.json`` gives a column for each of its keys. https://github.com/webdataset/webdataset
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from inrformat.container.fields import Field
from inrformat.container.targets import CAPTION_FIELD, LABEL_FIELD
from inrformat.conversion.pixels.read import IMAGE_SUFFIXES, ImageFile
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.table import typed_column
from inrformat.errors import SourceError
from inrformat.storage.whole import open_binary

__all__ = ["expanded", "scan_webdataset"]

_TARGETS = {"cls", "txt", "json"}
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(slots=True)
class _Member:
    """A sample of a tar file: where its image lies, and what is known of it."""

    shard: str
    key: str
    name: str = ""
    offset_bytes: int = 0
    size_bytes: int = 0
    targets: dict[str, Any] = field(default_factory=dict)


def expanded(pattern: str) -> list[str]:
    """``shard-{000..009}.tar`` as ten names."""
    match = _BRACES.search(pattern)
    if match is None:
        return [pattern]
    first, last = match.groups()
    numbers = [str(n).zfill(len(first)) for n in range(int(first), int(last) + 1)]
    return [name for n in numbers for name in expanded(pattern[: match.start()] + n + pattern[match.end() :])]


def scan_webdataset(
    shards: Sequence[str], *, class_names: Sequence[str] = (), storage_options: Mapping[str, Any] | None = None
) -> ListedSource:
    """List the samples of tar files, which may be URLs.

    Args:
        class_names: names by number; without any, the numbers.
        storage_options: for the file system of fsspec, of shards that are elsewhere.

    Raises:
        SourceError: a tar file cannot be read, has no images, or samples have unlike targets.
    """
    members = [member for shard in shards for member in _members(shard, storage_options)]
    if not members:
        raise SourceError(f"{shards[0]}: no images in {len(shards)} tar files")
    repeated = len({m.key for m in members}) < len(members)
    names = tuple(f"{PurePosixPath(m.shard).stem}/{m.name}" if repeated else m.name for m in members)
    if len(set(names)) < len(names):
        raise SourceError(f"{shards[0]}: two samples of the same name in one tar file")
    by_name = dict(zip(names, members, strict=True))

    def image(name: str) -> ImageFile:
        member = by_name[name]
        with open_binary(member.shard, storage_options=storage_options) as file:
            file.seek(member.offset_bytes)
            return io.BytesIO(file.read(member.size_bytes))

    place = shards[0] if len(shards) == 1 else f"{shards[0]} and {len(shards) - 1} more"
    return ListedSource(
        place=place, names=names, image=image, classes=tuple(class_names), fields=tuple(_fields(members, names))
    )


def _members(shard: str, storage_options: Mapping[str, Any] | None) -> list[_Member]:
    found: dict[str, _Member] = {}
    try:
        with open_binary(shard, storage_options=storage_options) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for entry in tar:
                folder, _, base = entry.name.rpartition("/")
                key, _, suffix = base.partition(".")
                if not entry.isfile() or not key:
                    continue
                path = f"{folder}/{key}" if folder else key
                member = found.setdefault(path, _Member(shard, path))
                last = suffix.rpartition(".")[2].lower()
                if f".{last}" in IMAGE_SUFFIXES:
                    if member.size_bytes:
                        raise SourceError(f"{shard}: {path}: two images in one sample")
                    member.name, member.offset_bytes, member.size_bytes = entry.name, entry.offset_data, entry.size
                elif last in _TARGETS:
                    opened = tar.extractfile(entry)
                    member.targets |= _targets(last, b"" if opened is None else opened.read(), f"{shard}: {entry.name}")
    except (tarfile.TarError, EOFError) as error:
        remedy = "; unpack it: gunzip" if shard.endswith(("gz", "bz2", "xz", "zst")) else ""
        raise SourceError(f"{shard}: not a plain tar file ({error}){remedy}") from error
    except OSError as error:
        raise SourceError(f"{shard}: cannot be read ({error})") from error
    return [member for member in found.values() if member.size_bytes]


def _targets(kind: str, data: bytes, place: str) -> dict[str, Any]:
    try:
        text = data.decode("utf-8")
        if kind == "cls":
            return {LABEL_FIELD: int(text)}
        if kind == "txt":
            return {CAPTION_FIELD: text}
        stored = json.loads(text)
        return stored if isinstance(stored, dict) else {"json": text}
    except ValueError as error:
        raise SourceError(f"{place}: {error}") from error


def _fields(members: Sequence[_Member], names: Sequence[str]) -> list[Field]:
    keys = dict.fromkeys(key for member in members for key in member.targets)
    for name, member in zip(names, members, strict=True):
        if missing := [key for key in keys if key not in member.targets]:
            raise SourceError(f"{member.shard}: {name} has no {missing[0]!r}, which other samples have")
    return [typed_column(key, [m.targets[key] for m in members], place=members[0].shard) for key in keys]
