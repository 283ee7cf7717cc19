"""Lists of images with their targets: CSV, TSV and JSON Lines, one image per line.

The image's column is ``path``, ``file_name``, ``filename``, ``file`` or ``image``; paths are relative to the manifest.
``label`` is a class, by name or number; ``labels`` several, a JSON list or separated by semicolons. Every other column
is kept: of whole numbers, numbers, lists of them, or text.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from inrformat.container.fields import Field, FieldType
from inrformat.container.targets import LABEL_FIELD, LABELS_FIELD
from inrformat.conversion.pixels.read import ImageFile
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.table import typed_column
from inrformat.errors import SourceError
from inrformat.storage.opening import is_url
from inrformat.storage.whole import open_binary

__all__ = ["MANIFEST_SUFFIXES", "scan_manifest"]

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
MANIFEST_SUFFIXES = frozenset({*_DELIMITERS, ".jsonl", ".ndjson"})
_PATH_COLUMNS = ("path", "file_name", "filename", "file", "image")


def scan_manifest(
    file: Path, *, class_names: Sequence[str] = (), storage_options: Mapping[str, Any] | None = None
) -> ListedSource:
    """Read a manifest.

    Args:
        class_names: names by number; without any, those that occur, sorted, or as many numbers as occur.
        storage_options: for the file system of fsspec, of images that are elsewhere.

    Raises:
        SourceError: a line cannot be understood, or an image is named twice; the message names file and line.
    """
    rows = list(_rows(file))
    if not rows:
        raise SourceError(f"{file}: no images in it")
    path_column = next((name for name in _PATH_COLUMNS if name in rows[0]), None)
    if path_column is None:
        raise SourceError(f"{file}: no column of images (looked for {', '.join(_PATH_COLUMNS)}) among {list(rows[0])}")
    paths = [str(row[path_column] or "") for row in rows]
    for path, count in Counter(paths).items():
        if not path or count > 1:
            line = paths.index(path) + 2 - (file.suffix not in _DELIMITERS)
            raise SourceError(f"{file}, line {line}: {'no image' if not path else f'{path} is there {count} times'}")
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != path_column}
    labels, classes = _class_columns(columns, tuple(class_names), file)
    others = [typed_column(name, values, place=str(file)) for name, values in columns.items()]
    return ListedSource(
        place=str(file),
        names=tuple(paths),
        image=_Files(file.parent, storage_options).image,
        classes=classes,
        fields=(*labels, *others),
    )


class _Files:
    """Finds images by what a manifest calls them."""

    def __init__(self, folder: Path, storage_options: Mapping[str, Any] | None) -> None:
        self._folder = folder
        self._storage_options = storage_options

    def image(self, name: str) -> ImageFile:
        if is_url(name):
            return open_binary(name, storage_options=self._storage_options)
        return self._folder / name


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """Every line as a map; all with the same keys."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            delimiter = _DELIMITERS.get(file.suffix.lower())
            yield from _of_table(csv.reader(opened, delimiter=delimiter), file) if delimiter else _of_json(opened, file)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{file}: unreadable manifest ({error})") from error


def _of_table(lines: Iterator[list[str]], file: Path) -> Iterator[dict[str, Any]]:
    names = next(lines, [])
    if len(set(names)) < len(names):
        raise SourceError(f"{file}, line 1: two columns of the same name")
    for number, entries in enumerate(lines, start=2):
        if not entries:
            continue
        if len(entries) != len(names):
            raise SourceError(f"{file}, line {number}: {len(entries)} entries, {len(names)} columns")
        yield dict(zip(names, entries, strict=True))


def _of_json(lines: Iterator[str], file: Path) -> Iterator[dict[str, Any]]:
    first: dict[str, Any] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{file}, line {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise SourceError(f"{file}, line {number}: expected an object")
        first = first or row
        if row.keys() != first.keys():
            raise SourceError(f"{file}, line {number}: keys {sorted(row.keys() ^ first.keys())} are not in all lines")
        yield row


def _class_columns(
    columns: dict[str, list[Any]], names: tuple[str, ...], file: Path
) -> tuple[list[Field], tuple[str, ...]]:
    """Take the columns of classes out of ``columns``: as numbers, and the classes' names."""
    lists = {
        LABEL_FIELD: [[value] for value in columns.pop(LABEL_FIELD, [])],
        LABELS_FIELD: [_list_of(value) for value in columns.pop(LABELS_FIELD, [])],
    }
    every = [value for rows in lists.values() for values in rows for value in values]
    as_numbers = bool(every) and all(_whole(value) is not None for value in every)
    if not names:
        count = max((int(value) for value in every), default=-1) + 1 if as_numbers else 0
        names = tuple(map(str, range(count))) if as_numbers else tuple(sorted({str(value) for value in every}))
    numbers = {name: number for number, name in enumerate(names)}

    def number_of(value: Any, row: int) -> int:
        number = numbers.get(str(value), _whole(value) if as_numbers else None)
        if number is None or not 0 <= number < len(names):
            raise SourceError(f"{file}: image {row + 1}: class {value!r} is none of {', '.join(names[:12])}")
        return number

    fields = []
    if lists[LABEL_FIELD]:
        fields.append(
            Field(LABEL_FIELD, FieldType.INT64, [number_of(v[0], k) for k, v in enumerate(lists[LABEL_FIELD])])
        )
    if lists[LABELS_FIELD]:
        values = [[number_of(v, k) for v in row] for k, row in enumerate(lists[LABELS_FIELD])]
        fields.append(Field(LABELS_FIELD, FieldType.INT64_LIST, values))
    return fields, names


def _list_of(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    text = str(value).strip()
    if text.startswith("["):
        try:
            return list(json.loads(text))
        except (TypeError, ValueError):
            pass  # no JSON: text in brackets
    return [part.strip() for part in text.split(";") if part.strip()]


def _whole(value: Any) -> int | None:
    try:
        return None if isinstance(value, bool | float) else int(value)
    except (TypeError, ValueError):
        return None
