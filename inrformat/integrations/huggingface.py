"""Hugging Face ``datasets`` to .inrd files, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from inrformat.container.fields import FieldType
from inrformat.container.reader import InrdReader
from inrformat.container.targets import LABEL_FIELD
from inrformat.conversion.pipeline import ConvertSummary, convert
from inrformat.conversion.report import Report
from inrformat.data.dataset import InrdDataset
from inrformat.encoding.encoder import EncoderOptions

try:
    import datasets
except ImportError as error:
    raise ImportError('this needs datasets: pip install "inrformat[huggingface]"') from error

from inrformat.conversion.sources.huggingface import IMAGE_COLUMN, LISTS_OF_CLASSES, source_of

__all__ = ["convert_dataset", "to_dataset"]

_BATCH_ROWS = 256


def convert_dataset(
    dataset: datasets.Dataset,
    output: str | os.PathLike[str],
    options: EncoderOptions | None = None,
    *,
    image: str = IMAGE_COLUMN,
    label: str | None = LABEL_FIELD,
    **arguments: Any,
) -> ConvertSummary:
    """Convert a split of a data set to the new file ``output``.

        convert_dataset(datasets.load_dataset("user/set", split="train"), "train.inrd", CellsOptions(quality=80))

    Columns of numbers, text, bytes, and lists of numbers are stored under their names; class names other than the
    label's as text. A column ``name`` of text gives the images' names; by default their files' names, or numbers.

    Args:
        options: of the network family to convert to; None: the default family's own.
        image: the column of images. label: that of class numbers, or None.
        arguments: further ones of ``inrformat.convert``: ``size``, ``device``, ``on_error`` and so on.

    Raises:
        UsageError: a column is missing, or one cannot be stored: it is named, with the way to leave it out.
        SourceError, OutputExistsError: as in ``inrformat.convert``.
    """
    return convert(source_of(dataset, image=image, label=label), output, options, **arguments)


def to_dataset(path: str | os.PathLike[str]) -> datasets.Dataset:
    """The images of an .inrd file at native size and all of its columns, but for the report of its conversion.

    The data set is in Hugging Face's cache, images as PNG; the same file is not decoded twice.

    Raises:
        InvalidFileError and others, as in `InrdDataset`.
    """
    with InrdReader(path) as reader:
        columns, classes = _columns_of(reader), reader.metadata.classes
        features = {IMAGE_COLUMN: datasets.Image()} | {name: _feature(kind) for name, kind in columns.items()}
        named = datasets.ClassLabel(names=list(classes))
        features |= {LABEL_FIELD: named} if LABEL_FIELD in columns else {}
        features |= {name: [named] for name in LISTS_OF_CLASSES if name in columns}
        # The checksum is in the cache's key, so that a file replaced by another is read again.
        file = {"path": str(reader.path), "crc32c": reader.header.crc32c}
    return datasets.Dataset.from_generator(_samples, features=datasets.Features(features), gen_kwargs=file)


def _columns_of(reader: InrdReader) -> dict[str, FieldType]:
    """The file's columns that are of its images, not of their conversion."""
    report = Report.of(reader).columns()
    return {field.name: field.type for field in reader.metadata.fields if field.name not in report}


def _feature(kind: FieldType) -> Any:
    values = {FieldType.UTF8: "string", FieldType.BYTES: "binary"}
    item = datasets.Value(values.get(kind, kind.removesuffix("[]")))
    return [item] if kind.endswith("[]") else item


def _samples(path: str, crc32c: int) -> Iterator[dict[str, Any]]:
    """Rows of the file with that checksum."""
    del crc32c
    images = InrdDataset(path, output="pil")
    columns: dict[str, Any] = {name: images.reader.field(name) for name in _columns_of(images.reader)}
    for first in range(0, len(images), _BATCH_ROWS):
        rows = range(first, min(first + _BATCH_ROWS, len(images)))
        for row, (image, _) in zip(rows, images.__getitems__(rows), strict=True):
            yield {IMAGE_COLUMN: image} | {name: _plain(column[row]) for name, column in columns.items()}


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
