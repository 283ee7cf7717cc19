"""Hugging Face ``datasets`` to .inrd files, and back."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from inrformat.container.fields import Field, FieldType
from inrformat.container.reader import InrdReader
from inrformat.container.targets import BOX_LABELS_FIELD, LABEL_FIELD, LABELS_FIELD, NAME_FIELD, TARGET_TYPES
from inrformat.conversion.pipeline import ConvertSummary, convert
from inrformat.conversion.report import Report
from inrformat.conversion.sources.listed import ListedSource
from inrformat.data.dataset import InrdDataset
from inrformat.encoding.encoder import EncoderOptions
from inrformat.errors import UsageError

try:
    import datasets
    import pyarrow as pa
except ImportError as error:
    raise ImportError('this needs datasets: pip install "inrformat[huggingface]"') from error

__all__ = ["convert_dataset", "to_dataset"]

_BATCH_ROWS = 256
_IMAGE = "image"
_LISTS_OF_CLASSES = (LABELS_FIELD, BOX_LABELS_FIELD)


def convert_dataset(
    dataset: datasets.Dataset,
    output: str | os.PathLike[str],
    options: EncoderOptions | None = None,
    *,
    image: str = _IMAGE,
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
    return convert(_source(dataset, image=image, label=label), output, options, **arguments)


def to_dataset(path: str | os.PathLike[str]) -> datasets.Dataset:
    """The images of an .inrd file at native size and all of its columns, but for the report of its conversion.

    The data set is in Hugging Face's cache, images as PNG; the same file is not decoded twice.

    Raises:
        InvalidFileError and others, as in `InrdDataset`.
    """
    with InrdReader(path) as reader:
        columns, classes = _columns_of(reader), reader.metadata.classes
        features = {_IMAGE: datasets.Image()} | {name: _feature(kind) for name, kind in columns.items()}
        named = datasets.ClassLabel(names=list(classes))
        features |= {LABEL_FIELD: named} if LABEL_FIELD in columns else {}
        features |= {name: [named] for name in _LISTS_OF_CLASSES if name in columns}
        # The checksum is in the cache's key, so that a file replaced by another is read again.
        file = {"path": str(reader.path), "crc32c": reader.header.crc32c}
    return datasets.Dataset.from_generator(_samples, features=datasets.Features(features), gen_kwargs=file)


def _source(dataset: datasets.Dataset, *, image: str, label: str | None) -> ListedSource:
    if not isinstance(dataset, datasets.Dataset):
        raise UsageError(
            f"a {type(dataset).__name__} is no datasets.Dataset: choose a split, and load it without streaming"
        )
    _check_main_columns(dataset, image=image, label=label)
    types = _column_types(dataset, [name for name in dataset.column_names if name not in {image, label}])
    dataset = dataset.with_format(None)
    files = dataset.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    names = _names(dataset, files, image=image)
    rows = {name: row for row, name in enumerate(names)}

    def read(name: str) -> Path | BinaryIO:
        stored = files[rows[name]][image]
        return Path(stored["path"]) if stored["bytes"] is None else io.BytesIO(stored["bytes"])

    classes = _classes(dataset, [name for name in (label, *_LISTS_OF_CLASSES) if name and name in dataset.column_names])
    labels = [] if label is None else [Field(LABEL_FIELD, FieldType.INT64, _labels(dataset, label))]
    others = [Field(name, kind, _values(dataset, name)) for name, kind in types.items() if name != NAME_FIELD]
    return ListedSource(
        place=dataset.info.dataset_name or "dataset",
        names=tuple(names),
        image=read,
        classes=classes,
        fields=(*labels, *others),
    )


def _check_main_columns(dataset: datasets.Dataset, *, image: str, label: str | None) -> None:
    """Refuse columns of images and labels that are not there, or not what they should be."""
    for what, name in (("image", image), ("label", label)):
        if name is not None and name not in dataset.column_names:
            has, none = ", ".join(dataset.column_names), ", or label=None" if what == "label" else ""
            raise UsageError(f"no column {name!r} among {has}: say which one it is, {what}=...{none}")
    if not isinstance(dataset.features[image], datasets.Image):
        raise UsageError(f"column {image!r} holds no images: dataset.cast_column({image!r}, datasets.Image())")
    if label is not None and not isinstance(dataset.features[label], datasets.ClassLabel):
        raise UsageError(f"column {label!r} holds no class numbers: dataset.class_encode_column({label!r})")


def _column_types(dataset: datasets.Dataset, names: list[str]) -> dict[str, FieldType]:
    """The type of column that keeps what is in each of these.

    Raises:
        UsageError: there is none for some of them, or a target of that name is of another type.
    """
    schema = dataset.features.arrow_schema
    types, lost = dict[str, FieldType](), []
    for name in names:
        named = isinstance(dataset.features[name], datasets.ClassLabel)
        kind = FieldType.UTF8 if named else _field_type(schema.field(name).type)
        if kind is None:
            lost.append(name)
            continue
        if name in {_IMAGE, LABEL_FIELD}:
            raise UsageError(f"another column stands for {name!r} in an .inrd: dataset.rename_column({name!r}, ...)")
        wanted = FieldType.UTF8 if name == NAME_FIELD else TARGET_TYPES.get(name, kind)
        if kind is not wanted:
            raise UsageError(
                f"a column {name!r} is {wanted} in an .inrd, here it is {kind}: dataset.rename_column({name!r}, ...)"
            )
        types[name] = kind
    if lost:
        kinds = ", ".join(f"{name} ({schema.field(name).type})" for name in lost)
        raise UsageError(f"columns that cannot be stored: {kinds}; leave them out: dataset.remove_columns({lost})")
    return types


def _field_type(arrow: pa.DataType) -> FieldType | None:
    types = pa.types
    if types.is_boolean(arrow) or (types.is_integer(arrow) and arrow != pa.uint64()):
        return FieldType.INT64
    if types.is_floating(arrow):
        return FieldType.FLOAT64
    if types.is_string(arrow) or types.is_large_string(arrow):
        return FieldType.UTF8
    if types.is_binary(arrow) or types.is_large_binary(arrow):
        return FieldType.BYTES
    if types.is_list(arrow) or types.is_large_list(arrow) or types.is_fixed_size_list(arrow):
        lists = {FieldType.INT64: FieldType.INT64_LIST, FieldType.FLOAT64: FieldType.FLOAT64_LIST}
        of_items = _field_type(arrow.value_type)
        return None if of_items is None else lists.get(of_items)
    return None


def _values(dataset: datasets.Dataset, name: str) -> list[Any]:
    """All values of a column, names in place of class numbers."""
    values, feature = _whole(dataset, name), dataset.features[name]
    return feature.int2str(values) if isinstance(feature, datasets.ClassLabel) else values


def _whole(dataset: datasets.Dataset, name: str) -> list[Any]:
    """All values of a column.

    Raises:
        UsageError: one is missing, which a file has no way to say.
    """
    values: list[Any] = list(dataset[name])
    for row, value in enumerate(values):
        if value is None or (isinstance(value, list) and None in value):
            raise UsageError(
                f"column {name!r} has no value in row {row}: fill it, or dataset.remove_columns([{name!r}])"
            )
    return values


def _classes(dataset: datasets.Dataset, names: list[str]) -> tuple[str, ...]:
    """Class names, those of all these columns of class numbers.

    Raises:
        UsageError: a column has none, or others.
    """
    classes: tuple[str, ...] = ()
    for name in names:
        feature = getattr(dataset.features[name], "feature", dataset.features[name])
        own = tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else ()
        if not own or own != (classes or own):
            problem = "numbers classes otherwise than " + names[0] if own else "does not name its classes"
            raise UsageError(f"column {name!r} {problem}: dataset.rename_column({name!r}, ...)")
        classes = own
    return classes


def _labels(dataset: datasets.Dataset, label: str) -> tuple[int, ...]:
    """The class number of each image."""
    numbers = tuple(_whole(dataset, label))
    if numbers and min(numbers) < 0:
        row = int(np.argmin(numbers))
        raise UsageError(
            f"column {label!r} has no class in row {row} ({numbers[row]}): filter such rows out, or label=None"
        )
    return numbers


def _names(dataset: datasets.Dataset, files: datasets.Dataset, *, image: str) -> list[str]:
    """A name for each image: of the column for it, of its file, or its number."""
    of_files = _file_names(files, image)
    if NAME_FIELD not in dataset.column_names:
        distinct = all(of_files) and len(set(of_files)) == len(of_files)
        digits = len(str(len(of_files)))
        return of_files if distinct else [f"{row:0{digits}}" for row in range(len(of_files))]
    names = _whole(dataset, NAME_FIELD)
    if len(set(names)) < len(names):
        raise UsageError(f"column {NAME_FIELD!r} names some images alike: dataset.rename_column({NAME_FIELD!r}, ...)")
    return names


def _file_names(files: datasets.Dataset, image: str) -> list[str]:
    """Of each image's file, without folders; empty where it has none.

    Raises:
        UsageError: a row has no image.
    """
    names: list[str] = []
    for batch in files.with_format("arrow").iter(_BATCH_ROWS):
        column = batch.column(image)
        if column.null_count:
            row = len(names) + column.is_null().index(True).as_py()
            raise UsageError(f"column {image!r} has no image in row {row}: dataset.filter(...) it out")
        names += [Path(path or "").name for path in column.combine_chunks().field("path").to_pylist()]
    return names


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
            yield {_IMAGE: image} | {name: _plain(column[row]) for name, column in columns.items()}


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
