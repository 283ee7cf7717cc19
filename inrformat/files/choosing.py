"""Some records of a file as a new one: chosen by class, name, number, quality or lot; and files cut into parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inrformat.container.reader import InrdReader
from inrformat.container.targets import LABEL_FIELD, NAME_FIELD
from inrformat.errors import UsageError
from inrformat.families.codebook import Codebook
from inrformat.files.copying import Part, copy_records
from inrformat.files.new_file import new_file

__all__ = ["Choice", "split", "subset"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which records; each condition that is not None has to hold.

    Attributes:
        classes: names of classes. names: of images. numbers: of records, from 0 on, negative ones from the end.
        min_psnr_db: at least. sample: so many of the rest, drawn with ``seed``.
    """

    classes: Sequence[str] | None = None
    names: Sequence[str] | None = None
    numbers: Sequence[int] | slice | None = None
    min_psnr_db: float | None = None
    sample: int | None = None
    seed: int = 0

    def rows(self, reader: InrdReader) -> NDArray[np.int64]:
        """The records' numbers in their order in the file.

        Raises:
            UsageError: a class, name or number is not there, or nothing is left.
        """
        kept = np.ones(len(reader), np.bool_)
        if self.classes is not None:
            kept &= np.isin(_labels(reader), _class_numbers(reader, self.classes))
        if self.names is not None:
            kept &= _named(reader, self.names)
        if self.numbers is not None:
            kept &= _numbered(reader, self.numbers)
        if self.min_psnr_db is not None:
            if reader.index.psnr_db is None:
                raise UsageError(f"{reader.path}: it does not say what PSNR its records have")
            kept &= reader.index.psnr_db >= self.min_psnr_db
        rows = np.flatnonzero(kept)
        if self.sample is not None:
            if self.sample > len(rows):
                raise UsageError(f"{reader.path}: a sample of {self.sample} out of {len(rows)} images")
            rows = np.sort(_generator(self.seed).permutation(rows)[: self.sample])
        if not len(rows):
            raise UsageError(f"{reader.path}: no image is left")
        return rows


def subset(file: str | os.PathLike[str], output: str | os.PathLike[str], choice: Choice) -> NDArray[np.int64]:
    """Write a file of some records of another; returns their numbers there.

    Raises:
        OutputExistsError: ``output`` exists. SourceError: there is no folder for it. UsageError: as in `Choice`.
    """
    with InrdReader(file) as reader:
        rows = choice.rows(reader)
        _write(reader, rows, output)
        return rows


def split(
    file: str | os.PathLike[str],
    folder: Path,
    *,
    shares: Mapping[str, float],
    stratified: bool = False,
    seed: int | None = None,
    on_records: Callable[[int], None] = lambda _count: None,
) -> dict[str, NDArray[np.int64]]:
    """Cut a file into parts ``folder/NAME.inrd`` of those shares of its images.

    Args:
        stratified: every class in those shares. seed: of the order in which images are dealt; None: as they lie.

    Returns:
        The numbers of each part's records in ``file``.

    Raises:
        OutputExistsError: a part exists; nothing was written. UsageError: a part would be empty, shares are none, or a
            name is no file's.
    """
    _check_shares(shares)
    with InrdReader(file) as reader:
        groups = [np.arange(len(reader))]
        if stratified:
            labels = _labels(reader)
            groups = [np.flatnonzero(labels == number) for number in np.unique(labels)]
        if seed is not None:
            generator = _generator(seed)
            groups = [generator.permutation(group) for group in groups]
        bounds = np.cumsum([0, *shares.values()])
        parts = {
            name: np.sort(np.concatenate([group[_at(low, group) : _at(high, group)] for group in groups]))
            for name, low, high in zip(shares, bounds[:-1], bounds[1:], strict=True)
        }
        if empty := [name for name, rows in parts.items() if not len(rows)]:
            raise UsageError(f"{reader.path}: part {empty[0]!r} would be empty")
        with _all_or_none(folder) as written:
            paths = {name: new_file(folder / f"{name}.inrd") for name in parts}
            for name, rows in parts.items():
                _write(reader, rows, paths[name], on_records=on_records)
                written.append(paths[name])
        return parts


def _at(share: float, group: NDArray[np.int64]) -> int:
    return round(share * len(group))


def _check_shares(shares: Mapping[str, float]) -> None:
    sound = all(0 < share <= 1 for share in shares.values())
    if not shares or not sound or sum(shares.values()) > 1 + 1e-9:
        raise UsageError(f"shares {dict(shares)}: expected numbers above 0 that sum up to 1 at most")
    if wrong := [name for name in shares if not name or name.startswith(".") or set(name) & set("/\\\0")]:
        raise UsageError(f"part {wrong[0]!r}: its name becomes that of a file, without folders")


def _generator(seed: int) -> np.random.Generator:
    if seed < 0:
        raise UsageError(f"seed {seed}: expected a whole number of at least 0")
    return np.random.default_rng(seed)


@contextmanager
def _all_or_none(folder: Path) -> Iterator[list[Path]]:
    """Make a folder if need be; an error takes it away again, and the files that the list names by then."""
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        if made:
            folder.rmdir()
        raise


def _write(
    reader: InrdReader,
    rows: NDArray[np.int64],
    output: str | os.PathLike[str],
    *,
    on_records: Callable[[int], None] = lambda _count: None,
) -> None:
    """The records ``rows``, all classes kept; moments of channels are of all images, and are left out."""
    networks = range(len(Codebook.from_map(reader.codebook).networks))
    part = Part(reader=reader, rows=rows, networks=networks, classes=range(len(reader.metadata.classes)))
    metadata = reader.metadata
    if len(rows) < len(reader):
        metadata = replace(metadata, channel_mean=(), channel_std=())
    copy_records(
        [part],
        output,
        columns=reader.metadata.fields,
        codebook=reader.codebook,
        metadata=metadata,
        on_records=on_records,
    )


def _labels(reader: InrdReader) -> NDArray[np.int64]:
    column = reader.field(LABEL_FIELD)
    if column is None:
        raise UsageError(f"{reader.path}: its images have no classes")
    return np.asarray(column)


def _class_numbers(reader: InrdReader, names: Sequence[str]) -> list[int]:
    known = {name: number for number, name in enumerate(reader.metadata.classes)}
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"{reader.path}: no class {unknown[0]!r} among {', '.join(list(known)[:20])}")
    return [known[name] for name in names]


def _named(reader: InrdReader, names: Sequence[str]) -> NDArray[np.bool_]:
    stored = reader.text_field(NAME_FIELD)
    places = {name: row for row, name in enumerate(stored or ())}
    if unknown := [name for name in names if name not in places]:
        raise UsageError(f"{reader.path}: no image named {unknown[0]!r}")
    return np.isin(np.arange(len(reader)), [places[name] for name in names])


def _numbered(reader: InrdReader, numbers: Sequence[int] | slice) -> NDArray[np.bool_]:
    count = len(reader)
    if isinstance(numbers, slice):
        if numbers.step == 0:
            raise UsageError("numbers: a slice of step 0 chooses nothing")
        return np.isin(np.arange(count), np.arange(count)[numbers])
    if beyond := [n for n in numbers if not -count <= n < count]:
        raise UsageError(f"{reader.path}: no image {beyond[0]} of {count}")
    return np.isin(np.arange(count), [n % count for n in numbers])
