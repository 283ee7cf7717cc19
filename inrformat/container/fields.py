"""Typed field columns: labels, names and other targets, one value per record (spec section 5.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inrformat.errors import InvalidFileError, UsageError

__all__ = ["Field", "FieldType", "VariableColumn", "decode_field", "encode_field"]

_LENGTH = np.dtype("<u4")


class FieldType(StrEnum):
    """Names of the column types, as the metadata spells them."""

    INT64 = "int64"
    FLOAT64 = "float64"
    UTF8 = "utf8"
    BYTES = "bytes"
    INT64_LIST = "int64[]"
    FLOAT64_LIST = "float64[]"


class Field(NamedTuple):
    """A column ready to be written: its name and type, and one value for each record."""

    name: str
    type: FieldType
    values: Sequence[Any]


_ITEM: dict[FieldType, np.dtype[Any]] = {
    FieldType.INT64: np.dtype("<i8"),
    FieldType.FLOAT64: np.dtype("<f8"),
    FieldType.UTF8: np.dtype("u1"),
    FieldType.BYTES: np.dtype("u1"),
    FieldType.INT64_LIST: np.dtype("<i8"),
    FieldType.FLOAT64_LIST: np.dtype("<f8"),
}


@dataclass(frozen=True, slots=True, eq=False)
class VariableColumn(Sequence[Any]):
    """A column of values of unequal length, decoded one at a time.

    Attributes:
        type: of the column. items: all values end to end. ends: int64 ``(records,)``, where each value stops in it.
    """

    type: FieldType
    items: NDArray[Any]
    ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, i: Any) -> Any:
        """Value of record ``i``: str, bytes, or a 1-D int64 or float64 array."""
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(f"record {i} of {len(self)}")
        i = int(i) % len(self)
        value = self.items[int(self.ends[i - 1]) if i else 0 : int(self.ends[i])]
        match self.type:
            case FieldType.UTF8:
                return value.tobytes().decode("utf-8")
            case FieldType.BYTES:
                return value.tobytes()
            case _:
                return value


def encode_field(kind: FieldType, values: Sequence[Any] | NDArray[Any]) -> bytes:
    """The decoded form of a field section: items, or uint32 lengths followed by the items."""
    item = _ITEM[kind]
    if kind in (FieldType.INT64, FieldType.FLOAT64):
        array = np.asarray(values)
        if array.ndim != 1 or (array.size and not np.can_cast(array.dtype, item, "same_kind")):
            raise UsageError(f"field of type {kind}: cannot store {array.dtype} of shape {array.shape}")
        return array.astype(item).tobytes()
    parts = [_to_bytes(kind, value) for value in values]
    lengths = np.array([len(p) // item.itemsize for p in parts], _LENGTH)
    return lengths.tobytes() + b"".join(parts)


def _to_bytes(kind: FieldType, value: Any) -> bytes:
    match kind:
        case FieldType.UTF8:
            return str(value).encode("utf-8")
        case FieldType.BYTES:
            return bytes(value)
        case _:
            return np.asarray(value, _ITEM[kind]).ravel().tobytes()


def decode_field(name: str, kind: FieldType, data: bytes, *, count: int) -> NDArray[Any] | VariableColumn:
    """Parse a field section; the sizes it declares must add up to the bytes it has.

    Returns:
        int64 or float64 ``(count,)``, or a ``VariableColumn``.
    """
    item = _ITEM[kind]
    if kind in (FieldType.INT64, FieldType.FLOAT64):
        if len(data) != count * item.itemsize:
            raise InvalidFileError("FIELD-SIZE", f"field {name!r}: {len(data)} bytes for {count} values of {kind}")
        return np.frombuffer(data, item)
    if len(data) < count * _LENGTH.itemsize:
        raise InvalidFileError("FIELD-SIZE", f"field {name!r}: {len(data)} bytes cannot hold {count} lengths")
    ends = np.cumsum(np.frombuffer(data, _LENGTH, count), dtype=np.int64)
    held = len(data) - count * _LENGTH.itemsize
    needed = int(ends[-1]) * item.itemsize if count else 0
    if needed != held:
        raise InvalidFileError("FIELD-SIZE", f"field {name!r}: its values take {needed} bytes, it holds {held}")
    items = np.frombuffer(data, item, offset=count * _LENGTH.itemsize)
    if kind is FieldType.UTF8:
        try:
            items.tobytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidFileError("FIELD-UTF8", f"field {name!r}: not valid UTF-8") from error
    return VariableColumn(kind, items, ends)
