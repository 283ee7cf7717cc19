"""Data sets in Python: what gives images for numbers, and iterables that give each image once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from inrformat.container.fields import Field
from inrformat.container.metadata import FieldSpec
from inrformat.conversion.columns import annotation_columns
from inrformat.conversion.pixels.read import ImageFile
from inrformat.conversion.sources.items import Item, TargetChoice, read_item
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.source import Sample
from inrformat.errors import SourceError

__all__ = ["DatasetSource", "class_names_of", "spooled"]

_PROBED = 64


@dataclass(frozen=True, slots=True, eq=False)
class DatasetSource:
    """A map-style data set; a `Source`. One thread reads it, each sample once in a pass.

    Attributes:
        dataset: gives (image, target), a dict or an image for numbers from 0 on. See ``items`` for what is understood.
        targets: what becomes of targets that are not recognised, by key.
        place, names, classes, columns, concurrent, remarks: see `Source`.
    """

    dataset: Any
    targets: Mapping[str, TargetChoice]
    place: str
    names: tuple[str, ...]
    classes: tuple[str, ...]
    columns: tuple[FieldSpec, ...]
    concurrent: bool = False
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        dataset: Any,
        *,
        targets: Mapping[str, TargetChoice] | None = None,
        class_names: Sequence[str] | None = None,
    ) -> DatasetSource:
        """Look at some samples spread over the set, and take all to have the targets that these have.

        Raises:
            SourceError: it is empty, or a sample is not understood; the message names sample, key and remedy.
        """
        choices, count = dict(targets or {}), len(dataset)
        place = f"{type(dataset).__module__}.{type(dataset).__name__}"
        if not count:
            raise SourceError(f"{place}: a data set without samples")
        items = _probed(dataset, count, choices, place)
        return cls(
            dataset=dataset,
            targets=choices,
            place=place,
            names=_names_of(dataset, count),
            classes=class_names_of(dataset) if class_names is None else tuple(class_names),
            columns=columns_of(items, place),
        )

    def sample(self, number: int) -> Sample:
        """See `Source`."""
        item = _item(self.dataset, number, self.targets, self.place)
        known = {column.name: column.type for column in self.columns}
        if extra := [name for name, kind in item.all_types.items() if known.get(name) is not kind]:
            raise SourceError(
                f"{self.place}: sample {number} has a target {extra[0]!r} ({item.all_types[extra[0]]}) that those "
                "looked at first have not: give all samples the same, or leave it out with targets="
            )
        return Sample(image=item.image, values=item.values, annotation=item.annotation)

    def identity(self) -> str:
        """See `Source`: what the samples hold cannot be told without reading them."""
        return f"{self.place} {len(self.names)} {self.names[0]} {self.names[-1]} {self.classes}"


def spooled(
    samples: Iterable[Any],
    *,
    targets: Mapping[str, TargetChoice] | None = None,
    class_names: Sequence[str] | None = None,
) -> ListedSource:
    """An iterable that gives its samples once: their images are kept in a temporary folder, without loss.

    Raises:
        SourceError: it gives nothing, or a sample is not understood.
    """
    place = f"{type(samples).__module__}.{type(samples).__name__}"
    spool, items = _Spool(), list[Item]()
    for number, given in enumerate(samples):
        item = read_item(given, dict(targets or {}), place=f"{place}: sample {number}")
        spool.keep(f"{number}", item.image)
        items.append(replace(item, image=Path()))
    if not items:
        raise SourceError(f"{place}: a data set without samples")
    columns = [column for column in columns_of(items, place) if column.name in items[0].values]
    for number, item in enumerate(items):
        if item.types != items[0].types:
            raise SourceError(
                f"{place}: sample {number} has targets {sorted(item.types)}, not {sorted(items[0].types)}"
            )
    return ListedSource(
        place=place,
        names=tuple(f"{number}" for number in range(len(items))),
        image=spool.image,
        classes=class_names_of(samples) if class_names is None else tuple(class_names),
        fields=tuple(Field(c.name, c.type, [item.values[c.name] for item in items]) for c in columns),
        annotations=tuple(item.annotation for item in items),
    )


class _Spool:
    """Images in a temporary folder, which goes with the last reference to it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="inrformat-")
        self._files: dict[str, Path] = {}

    def keep(self, name: str, image: ImageFile) -> None:
        path = Path(self._folder.name) / name
        if isinstance(image, Path):
            path = image
        elif isinstance(image, Image.Image):
            image.save(path, "PNG", compress_level=1)
        elif isinstance(image, np.ndarray):
            path = path.with_suffix(".npy")
            np.save(path, image, allow_pickle=False)
        else:
            path.write_bytes(image.read())
        self._files[name] = path

    def image(self, name: str) -> ImageFile:
        path = self._files[name]
        return np.load(path, allow_pickle=False) if path.suffix == ".npy" else path


class _UnreadableError(SourceError):
    """A data set raised where it was asked for a sample."""


def _probed(dataset: Any, count: int, targets: Mapping[str, TargetChoice], place: str) -> list[Item]:
    """Samples spread over a set; those that cannot be read are met again, and are an image's error then."""
    items = []
    for number in sorted({k * count // _PROBED for k in range(_PROBED)}):
        try:
            items.append(_item(dataset, number, targets, place))
        except _UnreadableError as error:
            first = error
    if not items:
        raise first
    return items


def _item(dataset: Any, number: int, targets: Mapping[str, TargetChoice], place: str) -> Item:
    try:
        given = dataset[number]
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise _UnreadableError(f"{place}: sample {number} cannot be read ({type(error).__name__}: {reason})") from error
    return read_item(given, targets, place=f"{place}: sample {number}")


def columns_of(items: Iterable[Item], place: str) -> tuple[FieldSpec, ...]:
    """The columns that samples need together.

    Raises:
        SourceError: a key is of one type here and of another there.
    """
    found: dict[str, FieldSpec] = {}
    annotations = []
    for item in items:
        annotations.append(item.annotation)
        for name, kind in item.types.items():
            if found.setdefault(name, FieldSpec(name, kind)).type is not kind:
                raise SourceError(f"{place}: targets {name!r} are {found[name].type} here and {kind} there")
    return (*found.values(), *annotation_columns(annotations))


def class_names_of(dataset: Any) -> tuple[str, ...]:
    """Names of classes as data sets of torchvision have them, looked for inside of ``Subset`` and ``ConcatDataset``."""
    for inner in _inside(dataset):
        classes = getattr(inner, "classes", None)
        if isinstance(classes, list | tuple) and classes and all(isinstance(c, str) for c in classes):
            return tuple(classes)
    return ()


def _inside(dataset: Any) -> Iterator[Any]:
    yield dataset
    parts = getattr(dataset, "datasets", None)
    inner = getattr(dataset, "dataset", None)
    for part in parts if isinstance(parts, list | tuple) else [] if inner is None else [inner]:
        yield from _inside(part)


def _names_of(dataset: Any, count: int) -> tuple[str, ...]:
    """Paths of the files, of data sets that list them as ``torchvision.datasets.DatasetFolder`` does; else numbers."""
    samples, root = getattr(dataset, "samples", None), getattr(dataset, "root", None)
    if isinstance(samples, list) and len(samples) == count and isinstance(root, str | Path):
        paths = [Path(sample[0]) for sample in samples]
        if all(path.is_relative_to(root) for path in paths):
            names = tuple(path.relative_to(root).as_posix() for path in paths)
            if len(set(names)) == count:
                return names
    return _numbered(count)


def _numbered(count: int) -> tuple[str, ...]:
    digits = len(str(count - 1))
    return tuple(f"{number:0{digits}}" for number in range(count))
