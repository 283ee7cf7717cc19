"""inrformat: image data sets as one file of small neural networks, decoded where training needs them.

    from inrformat import InrdDataset
    train = InrdDataset("train.inrd", transform=...).to("cuda")

Names are loaded when first used, so that ``import inrformat`` and the command line start without torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from inrformat.errors import (
    ChecksumError,
    DeviceError,
    GeometryError,
    InrdError,
    InvalidFileError,
    LimitError,
    NotInrdError,
    OutputBusyError,
    OutputExistsError,
    RemoteError,
    SourceError,
    TruncatedFileError,
    UnsupportedVersionError,
    UsageError,
)

if TYPE_CHECKING:
    from inrformat.container.fields import FieldType
    from inrformat.container.limits import Limits
    from inrformat.container.metadata import Metadata
    from inrformat.container.reader import InrdReader
    from inrformat.container.writer import InrdWriter
    from inrformat.conversion.pipeline import convert
    from inrformat.data.dataset import InrdDataset
    from inrformat.data.loader import InrdLoader
    from inrformat.data.transforms.on_batch import OnBatch
    from inrformat.data.transforms.plan import explain
    from inrformat.decoding.canvas import Canvas
    from inrformat.decoding.dispatch import decode
    from inrformat.decoding.geometry import Geometry, PaddingMode
    from inrformat.decoding.pixels import PixelFormat
    from inrformat.families.cells.encoder.options import CellsOptions
    from inrformat.families.siren.encoder.options import SirenOptions

__version__ = "0.1.0.dev0"

__all__ = [
    "Canvas",
    "CellsOptions",
    "ChecksumError",
    "DeviceError",
    "FieldType",
    "Geometry",
    "GeometryError",
    "InrdDataset",
    "InrdError",
    "InrdLoader",
    "InrdReader",
    "InrdWriter",
    "InvalidFileError",
    "LimitError",
    "Limits",
    "Metadata",
    "NotInrdError",
    "OnBatch",
    "OutputBusyError",
    "OutputExistsError",
    "PaddingMode",
    "PixelFormat",
    "RemoteError",
    "SirenOptions",
    "SourceError",
    "TruncatedFileError",
    "UnsupportedVersionError",
    "UsageError",
    "convert",
    "decode",
    "explain",
]

_HOMES = {
    "Canvas": "inrformat.decoding.canvas",
    "CellsOptions": "inrformat.families.cells.encoder.options",
    "FieldType": "inrformat.container.fields",
    "Geometry": "inrformat.decoding.geometry",
    "InrdDataset": "inrformat.data.dataset",
    "InrdLoader": "inrformat.data.loader",
    "InrdReader": "inrformat.container.reader",
    "InrdWriter": "inrformat.container.writer",
    "Limits": "inrformat.container.limits",
    "Metadata": "inrformat.container.metadata",
    "OnBatch": "inrformat.data.transforms.on_batch",
    "PaddingMode": "inrformat.decoding.geometry",
    "PixelFormat": "inrformat.decoding.pixels",
    "SirenOptions": "inrformat.families.siren.encoder.options",
    "convert": "inrformat.conversion.pipeline",
    "decode": "inrformat.decoding.dispatch",
    "explain": "inrformat.data.transforms.plan",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
