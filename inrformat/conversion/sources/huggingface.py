"""Hugging Face data sets: splits in memory, folders of ``save_to_disk``, names on the hub, and Parquet files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from inrformat.container.fields import Field, FieldType
from inrformat.container.targets import BOX_LABELS_FIELD, LABEL_FIELD, LABELS_FIELD, NAME_FIELD, TARGET_TYPES
from inrformat.conversion.sources.listed import ListedSource
from inrformat.conversion.sources.splits import chosen_split
from inrformat.errors import SourceError, UsageError

try:
    import datasets
    import pyarrow as pa
except ImportError as error:
    raise UsageError('Hugging Face data sets and Parquet need: pip install "inrformat[huggingface]"') from error

__all__ = ["IMAGE_COLUMN", "LISTS_OF_CLASSES", "image_column", "label_column", "load", "load_parquet", "source_of"]

IMAGE_COLUMN = "image"
LISTS_OF_CLASSES = (LABELS_FIELD, BOX_LABELS_FIELD)
_BATCH_ROWS = 256


def load(place: str, *, split: str | None = None) -> datasets.Dataset:
    """A split of a data set on disk (``save_to_disk``) or on the hub (``hf://datasets/USER/NAME`` or ``USER/NAME``).

    Raises:
        SourceError: there is none, or no such split.
    """
    path = Path(place).expanduser()
    try:
        loaded = datasets.load_from_disk(str(path)) if path.is_dir() else datasets.load_dataset(_hub_name(place))
    except Exception as error:  # of the hub's, the loaders' and the servers' own kinds
        raise SourceError(f"{place}: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}") from error
    return loaded[chosen_split(path, loaded, split)] if isinstance(loaded, dict) else loaded


def load_parquet(files: Sequence[str]) -> datasets.Dataset:
    """All rows of Parquet files; a column of bytes, or of structs of bytes and a path, is taken for the images.

    Raises:
        SourceError: they cannot be read, or have no such column.
    """
    try:
        loaded = datasets.load_dataset("parquet", data_files=list(files), split="train")
    except Exception as error:
        raise SourceError(f"{files[0]}: {type(error).__name__}: {next(iter(str(error).splitlines()), '')}") from error
    if any(isinstance(feature, datasets.Image) for feature in loaded.features.values()):
        return loaded
    types = {name: loaded.features.arrow_schema.field(name).type for name in loaded.column_names}
    name = next((n for n, kind in types.items() if pa.types.is_binary(kind) or pa.types.is_struct(kind)), None)
    if name is None:
        raise SourceError(f"{files[0]}: no column of images: neither bytes nor structs of bytes among {list(types)}")
    return loaded.cast_column(name, datasets.Image())


def _hub_name(place: str) -> str:
    return place.removeprefix("hf://").removeprefix("datasets/")


def image_column(dataset: datasets.Dataset) -> str:
    """The column named "image", or the only one of images.

    Raises:
        SourceError: there is none, or several.
    """
    found = [name for name, feature in dataset.features.items() if isinstance(feature, datasets.Image)]
    if IMAGE_COLUMN in found or len(found) == 1:
        return IMAGE_COLUMN if IMAGE_COLUMN in found else found[0]
    raise SourceError(f"a data set with the columns of images {found or 'none'}: one is needed; remove the others")


def label_column(dataset: datasets.Dataset) -> str | None:
    """The column named "label" where it is one of classes, or the only one of classes."""
    found = [name for name, feature in dataset.features.items() if isinstance(feature, datasets.ClassLabel)]
    return LABEL_FIELD if LABEL_FIELD in found else found[0] if len(found) == 1 else None


def source_of(dataset: datasets.Dataset, *, image: str, label: str | None) -> ListedSource:
    """A split as a source.

    Args:
        image: the column of images. label: that of class numbers, or None.

    Raises:
        UsageError: a column is missing, or one cannot be stored: it is named, with the way to leave it out.
    """
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

    classes = _classes(dataset, [name for name in (label, *LISTS_OF_CLASSES) if name and name in dataset.column_names])
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
        if name in {IMAGE_COLUMN, LABEL_FIELD}:
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
