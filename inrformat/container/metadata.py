"""The metadata section: what a person or a training script wants to know of a data set (spec section 5.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from inrformat.container.fields import FieldType
from inrformat.container.packing import pack_map, unpack_map
from inrformat.errors import InvalidFileError

__all__ = ["FieldSpec", "Metadata"]


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """Name and type of one field column."""

    name: str
    type: FieldType


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Typed view of the metadata map.

    Attributes:
        classes: class names; a label ``k`` stands for ``classes[k]``. Empty where the data set has no classes.
        fields: of the field columns, in the order of their sections.
        channel_mean, channel_std: per channel over all pixels of the source at native size, in [0, 1] units.
        generator: program and version that wrote the file.
        options: what the conversion was asked for: plain msgpack types.
    """

    classes: tuple[str, ...] = ()
    fields: tuple[FieldSpec, ...] = ()
    channel_mean: tuple[float, ...] = ()
    channel_std: tuple[float, ...] = ()
    generator: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """msgpack with sorted keys: the same metadata gives the same bytes."""
        return pack_map(
            {
                "channel_mean": list(self.channel_mean),
                "channel_std": list(self.channel_std),
                "classes": list(self.classes),
                "fields": [{"name": f.name, "type": f.type.value} for f in self.fields],
                "generator": self.generator,
                "options": dict(self.options),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Metadata:
        """Parse and check; keys this version does not know are ignored."""
        stored = unpack_map(data, rule="METADATA-FORM", what="metadata")
        try:
            result = cls(
                classes=tuple(_text(c) for c in stored["classes"]),
                fields=tuple(FieldSpec(_text(f["name"]), FieldType(f["type"])) for f in stored["fields"]),
                channel_mean=tuple(float(v) for v in stored["channel_mean"]),
                channel_std=tuple(float(v) for v in stored["channel_std"]),
                generator=_text(stored["generator"]),
                options=dict(stored["options"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidFileError("METADATA-FORM", f"metadata: missing or malformed entry ({error})") from error
        names = [f.name for f in result.fields]
        if len(set(names)) != len(names) or len(set(result.classes)) != len(result.classes):
            raise InvalidFileError("METADATA-UNIQUE", "metadata: a class or field name occurs twice")
        return result


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {type(value).__name__}")
    return value
