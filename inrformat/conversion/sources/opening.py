"""From what a user names to a source: recognised by looking, or said with ``--source``."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from inrformat.conversion.pixels.read import IMAGE_SUFFIXES
from inrformat.conversion.sources.coco import scan_coco
from inrformat.conversion.sources.dataset import DatasetSource, spooled
from inrformat.conversion.sources.files import scan_files
from inrformat.conversion.sources.folder import scan_folder
from inrformat.conversion.sources.inrd import scan_inrd
from inrformat.conversion.sources.items import TargetChoice
from inrformat.conversion.sources.kinds import SourceKind
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.manifest import scan_manifest
from inrformat.conversion.sources.recognizing import recognised
from inrformat.conversion.sources.remote_folder import scan_remote_folder
from inrformat.conversion.sources.source import Source
from inrformat.conversion.sources.splits import SPLIT_NAMES, chosen_split
from inrformat.conversion.sources.voc import scan_voc
from inrformat.conversion.sources.webdataset import expanded, scan_webdataset
from inrformat.conversion.sources.yolo import scan_yolo
from inrformat.errors import SourceError, UsageError
from inrformat.storage.opening import is_url

__all__ = ["SourceQuestion", "open_source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQuestion:
    """What is asked of a source besides its name.

    Attributes:
        kind: None: recognised by looking. split: of a data set that comes in several.
        class_names: names by number, where the source has none of its own.
        targets: what becomes of targets of Python data sets that are not understood, by key.
        storage_options: for the file system of fsspec, where the source is elsewhere.
    """

    kind: SourceKind | None = None
    split: str | None = None
    class_names: tuple[str, ...] = ()
    targets: Mapping[str, TargetChoice] = field(default_factory=dict)
    storage_options: Mapping[str, Any] = field(default_factory=dict)


def open_source(named: Any, question: SourceQuestion | None = None) -> Source:
    """The source that a path, a URL, several paths, ``module:attribute`` or a Python data set stands for.

    Raises:
        SourceError: there is nothing of that name, or it cannot be understood; the message says what was looked for.
    """
    asked = question or SourceQuestion()
    if isinstance(named, str | Path):
        return _of_text(str(named), asked)
    if isinstance(named, list | tuple) and named and all(isinstance(n, str | Path) for n in named):
        return _of_text(str(named[0]), asked) if len(named) == 1 else _of_several([str(n) for n in named], asked)
    if callable(getattr(named, "sample", None)) and callable(getattr(named, "identity", None)):
        return named  # type: ignore[no-any-return]  # a Source already
    return _of_object(named, asked)


def _of_object(dataset: Any, asked: SourceQuestion) -> Source:
    """A data set in Python."""
    if type(dataset).__module__.startswith("datasets.") and hasattr(dataset, "features"):
        return _of_huggingface(dataset)
    names = asked.class_names or None
    if hasattr(dataset, "__getitem__") and hasattr(dataset, "__len__"):
        return DatasetSource.of(dataset, targets=asked.targets, class_names=names)
    if isinstance(dataset, Iterable):
        return spooled(dataset, targets=asked.targets, class_names=names)
    raise UsageError(f"a {type(dataset).__name__} is no source: give a path, or a data set that gives images")


def _of_huggingface(dataset: Any) -> ListedSource:
    from inrformat.conversion.sources.huggingface import image_column, label_column, source_of

    return source_of(dataset, image=image_column(dataset), label=label_column(dataset))


def _of_several(names: Sequence[str], asked: SourceQuestion) -> Source:
    suffixes = {Path(name).suffix.lower() for name in names}
    if asked.kind is SourceKind.WEBDATASET or suffixes == {".tar"}:
        return _of_tar([n for name in names for n in expanded(name)], asked)
    if asked.kind is SourceKind.PARQUET or suffixes == {".parquet"}:
        return _of_parquet(names)
    if asked.kind in {None, SourceKind.FILES} and suffixes <= IMAGE_SUFFIXES:
        return scan_files([Path(name).expanduser() for name in names])
    raise SourceError(
        f"{names[0]}, ...: several sources are image files, .tar or .parquet files; convert others one by one"
    )


def _of_text(text: str, asked: SourceQuestion) -> Source:
    return _OPENERS[asked.kind or recognised(text)](text, asked)


def _of_folder(text: str, asked: SourceQuestion) -> Source:
    if is_url(text):
        return scan_remote_folder(text, storage_options=asked.storage_options)
    return scan_folder(_split_folder(_local(text), asked))


def _of_files(text: str, _asked: SourceQuestion) -> Source:
    return scan_files([Path(name) for name in _matching(str(_local(text)))])


def _of_hub(text: str, asked: SourceQuestion) -> Source:
    from inrformat.conversion.sources.huggingface import load

    return _of_huggingface(load(text, split=asked.split))


def _of_tar(shards: Sequence[str], asked: SourceQuestion) -> ListedSource:
    return scan_webdataset(shards, class_names=asked.class_names, storage_options=asked.storage_options)


def _of_table(text: str, asked: SourceQuestion) -> ListedSource:
    return scan_manifest(_local(text), class_names=asked.class_names, storage_options=asked.storage_options)


def _local(text: str) -> Path:
    return Path(text).expanduser()


def _inside(text: str, suffix: str) -> list[str]:
    """Files of that suffix in a folder, or those that a name with braces or a pattern stands for."""
    if is_url(text):
        return expanded(text)
    path = _local(text)
    if path.is_dir():
        return [str(p) for p in sorted(path.glob(f"*{suffix}"))]
    return [name for one in expanded(str(path)) for name in _matching(one)]


def _matching(pattern: str) -> list[str]:
    """Files that a pattern stands for; the pattern itself where there are none."""
    return sorted(glob.glob(pattern, recursive=True)) or [pattern]  # noqa: PTH207  # absolute patterns, too


def _of_parquet(files: Sequence[str]) -> ListedSource:
    from inrformat.conversion.sources.huggingface import load_parquet

    return _of_huggingface(load_parquet(files))


def _split_folder(root: Path, asked: SourceQuestion) -> Path:
    """The folder of a split, where the sub-folders are splits instead of classes."""
    inside = [p.name for p in sorted(root.iterdir()) if p.is_dir()] if root.is_dir() else []
    if inside and {name.lower() for name in inside} <= SPLIT_NAMES:
        return root / chosen_split(root, inside, asked.split)
    if asked.split is not None:
        raise SourceError(f"{root}: no splits in it, so --split {asked.split} has no meaning")
    return root


def _python_object(text: str) -> Any:
    """The object at ``module:attribute``; a function is called without arguments."""
    module, _, attributes = text.partition(":")
    try:
        found: Any = import_module(module)
        for name in attributes.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise SourceError(f"{text}: {error}; expected module:attribute of a module that can be imported") from error
    is_dataset = hasattr(found, "__getitem__") or hasattr(found, "__iter__")
    return found() if callable(found) and (isinstance(found, type) or not is_dataset) else found


_OPENERS: dict[SourceKind, Callable[[str, SourceQuestion], Source]] = {
    SourceKind.FOLDER: _of_folder,
    SourceKind.FILES: _of_files,
    SourceKind.MANIFEST: _of_table,
    SourceKind.COCO: lambda text, asked: scan_coco(_local(text), split=asked.split),
    SourceKind.YOLO: lambda text, asked: scan_yolo(_local(text), split=asked.split, classes=asked.class_names),
    SourceKind.VOC: lambda text, asked: scan_voc(_local(text), split=asked.split, classes=asked.class_names),
    SourceKind.WEBDATASET: lambda text, asked: _of_tar(_inside(text, ".tar"), asked),
    SourceKind.PARQUET: lambda text, _asked: _of_parquet(_inside(text, ".parquet")),
    SourceKind.HUGGINGFACE: _of_hub,
    SourceKind.INRD: lambda text, asked: scan_inrd(
        text if is_url(text) else str(_local(text)), storage_options=asked.storage_options
    ),
    SourceKind.PYTHON: lambda text, asked: _of_object(_python_object(text), asked),
}
