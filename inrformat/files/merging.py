"""Several files as one: records as they are, codebooks side by side, classes by their names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import inrformat
from inrformat.coding.tables import SymbolTable, TableSet
from inrformat.container.metadata import FieldSpec, Metadata
from inrformat.container.reader import InrdReader
from inrformat.container.targets import NAME_FIELD
from inrformat.errors import UsageError
from inrformat.families.codebook import Codebook
from inrformat.families.family import Network
from inrformat.files.copying import Part, copy_records

__all__ = ["merge"]


def merge(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    common_columns: bool = False,
    prefixed: bool = False,
    on_records: Callable[[int], None] = lambda _count: None,
) -> int:
    """Write a file of all records of others, in their order.

    Networks that several files share are stored once. Classes are united by name: those of the first file, then what
    the others have beside them.

    Args:
        common_columns: keep the columns that all files have, and leave out others. prefixed: put a file's name before
            the names of its images.
        on_records: called with how many were copied since its last call.

    Returns:
        The number of records.

    Raises:
        OutputExistsError: ``output`` exists. UsageError: columns differ, or images of two files have the same name; the
            message names files and remedy. InvalidFileError: a file is none.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(InrdReader(file)) for file in files]
        columns = _columns(readers, common=common_columns)
        classes = _classes(readers)
        joined = _joined([r.codebook for r in readers])
        numbers = {name: number for number, name in enumerate(classes)}
        parts = [
            Part(
                reader=reader,
                rows=np.arange(len(reader)),
                networks=networks,
                classes=[numbers[name] for name in reader.metadata.classes],
                prefix=f"{Path(str(reader.path)).stem}/" if prefixed else "",
            )
            for reader, networks in zip(readers, joined.networks, strict=True)
        ]
        _check_names(parts)
        metadata = _metadata(readers, classes)
        copy_records(parts, output, columns=columns, codebook=joined.stored, metadata=metadata, on_records=on_records)
        return sum(len(reader) for reader in readers)


def _columns(readers: Sequence[InrdReader], *, common: bool) -> list[FieldSpec]:
    """The columns of the new file."""
    have = [{spec.name: spec for spec in reader.metadata.fields} for reader in readers]
    everywhere = [spec for name, spec in have[0].items() if all(columns.get(name) == spec for columns in have)]
    if not common:
        for reader, columns in zip(readers, have, strict=True):
            if odd := [name for name in columns if columns[name] not in everywhere]:
                raise UsageError(
                    f"{reader.path}: column {odd[0]!r} ({columns[odd[0]].type}) is not in all files; --columns common "
                    "keeps those that are"
                )
    return everywhere


def _classes(readers: Sequence[InrdReader]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for reader in readers for name in reader.metadata.classes))


def _check_names(parts: Sequence[Part]) -> None:
    """Refuse images of one name from two files."""
    owners: dict[str, Part] = {}
    for part in parts:
        for name in part.values(NAME_FIELD) if NAME_FIELD in part.reader.field_names else ():
            other = owners.setdefault(name, part)
            if other is not part:
                raise UsageError(
                    f"{name} is an image of both {other.reader.path} and {part.reader.path}; --prefix puts the files' "
                    "names before those of their images"
                )


@dataclass(frozen=True, slots=True)
class _Joined:
    """A codebook for several files: as it is stored, and what each file's network numbers become in it."""

    stored: Mapping[str, Any]
    networks: list[list[int]]


def _joined(stored: Sequence[Mapping[str, Any]]) -> _Joined:
    different = [codebook for k, codebook in enumerate(stored) if codebook not in stored[:k]]
    if len(different) == 1:
        networks = range(len(Codebook.from_map(different[0]).networks))
        return _Joined(different[0], [list(networks) for _ in stored])
    tables: list[SymbolTable] = []
    networks_of: list[list[int]] = []
    all_networks: list[Network] = []
    for codebook in map(Codebook.from_map, different):
        networks_of.append([len(all_networks) + k for k in range(len(codebook.networks))])
        all_networks += [network.behind_tables(len(tables)) for network in codebook.networks]
        tables += codebook.tables.tables
    joined = Codebook(TableSet.of(tables), tuple(all_networks))
    Codebook.from_map(joined.to_map())  # within what a reader allows
    return _Joined(joined.to_map(), [networks_of[different.index(codebook)] for codebook in stored])


def _metadata(readers: Sequence[InrdReader], classes: tuple[str, ...]) -> Metadata:
    options = [dict(reader.metadata.options) for reader in readers]
    mean, std = _moments(readers)
    return Metadata(
        classes=classes,
        channel_mean=mean,
        channel_std=std,
        generator=f"inrformat {inrformat.__version__}",
        options=options[0] if all(o == options[0] for o in options) else {"merged": options},
    )


def _moments(readers: Sequence[InrdReader]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel over all files; nothing where a file does not say."""
    means = [reader.metadata.channel_mean for reader in readers]
    stds = [reader.metadata.channel_std for reader in readers]
    if len({len(mean) for mean in means}) != 1 or not means[0]:
        return (), ()
    pixels = np.array([float((r.index.heights * r.index.widths).sum()) for r in readers])
    weights = (pixels / pixels.sum())[:, None]
    mean = (weights * np.array(means)).sum(0)
    square = (weights * (np.array(stds) ** 2 + np.array(means) ** 2)).sum(0)
    return tuple(mean.tolist()), tuple(np.sqrt(np.maximum(square - mean**2, 0)).tolist())
