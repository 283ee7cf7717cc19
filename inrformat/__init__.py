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
    OutputExistsError,
    SourceError,
    TruncatedFileError,
    UnsupportedVersionError,
    UsageError,
)

if TYPE_CHECKING:
    from inrformat.container.limits import Limits
    from inrformat.container.reader import InrdReader
    from inrformat.container.writer import InrdWriter
    from inrformat.data.dataset import InrdDataset
    from inrformat.data.loader import InrdLoader
    from inrformat.data.transforms.plan import explain

__version__ = "0.1.0.dev0"

__all__ = [
    "ChecksumError",
    "DeviceError",
    "GeometryError",
    "InrdDataset",
    "InrdError",
    "InrdLoader",
    "InrdReader",
    "InrdWriter",
    "InvalidFileError",
    "LimitError",
    "Limits",
    "NotInrdError",
    "OutputExistsError",
    "SourceError",
    "TruncatedFileError",
    "UnsupportedVersionError",
    "UsageError",
    "explain",
]

_HOMES = {
    "InrdDataset": "inrformat.data.dataset",
    "InrdLoader": "inrformat.data.loader",
    "InrdReader": "inrformat.container.reader",
    "InrdWriter": "inrformat.container.writer",
    "Limits": "inrformat.container.limits",
    "explain": "inrformat.data.transforms.plan",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
