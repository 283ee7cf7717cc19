"""What a network family offers to the rest of the package. Shared code knows families through this file alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from numpy.typing import NDArray

from inrformat.container.rules import Rule

__all__ = ["Family", "Load", "Network", "SymbolDecoder", "module"]

Load = Callable[[], Any]
"""Loads a part of a family when it is called; what the part must have, the protocol named with each field says."""


class SymbolDecoder(Protocol):
    """A batch of records being decoded, in numpy (``coding/rans.py``) or in torch (``coding/rans_torch.py``)."""

    def __len__(self) -> int:
        """How many records there are."""

    def decode(self, table_ids: NDArray[Any]) -> Any:
        """The next leading segment, int32 ``(B, n)``, for ``table_ids`` int ``(n,)`` or ``(B, n)``."""

    def decode_body(self, table_ids: NDArray[Any], counts: NDArray[Any] | None = None) -> Any:
        """The body, int32 ``(B, n)``; checks that every record ended where it had to.

        Args:
            counts: int ``(B,)``, symbols of each record, where ``table_ids`` is padded with tables that take no bits.
        """


class Network(Protocol):
    """A network descriptor: everything about a network that its record does not hold."""

    family: ClassVar[str]

    @property
    def channels(self) -> int:
        """Colour channels of an image."""

    @property
    def parameter_count(self) -> int:
        """Numbers one network has, pruned ones included."""

    def to_map(self) -> dict[str, Any]:
        """Plain types for the codebook section, with the family's name under ``family``."""

    def behind_tables(self, count: int) -> Self:
        """The same descriptor in a codebook where ``count`` other tables come before its own."""

    def multiply_adds(self, *, height: int, width: int) -> int:
        """Multiply-adds to evaluate one network at every pixel centre of ``height x width``."""

    def lanes(self, *, height: int, width: int) -> int:
        """rANS lanes of a record of that native size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of network: its name, its rules, and where its parts are loaded from when they are first used.

    Attributes:
        name: as descriptors, metadata and ``--network`` spell it. summary: a line for ``convert --help``.
        rules: that only this family's descriptors and records can break.
        parse: a function ``(map, *, table_count) -> Network`` that checks a descriptor as it is stored.
        describe: a function ``(map) -> str`` that says in a few words what a stored descriptor is, for ``info``.
        reference: the normative decoder (``decoding.reference.ReferenceBackend``).
        cpu, triton: fused decoders (``decoding.cpu.backend.CpuBackend``, ``decoding.triton.backend.TritonBackend``), or
            None: then the reference decodes this family's records.
        encoder: how images become its records (``encoding.encoder.EncoderModule``).
        options: what its encoder can be asked for (``encoding.encoder.EncoderOptions``).
        flags: its flags of ``inrformat convert`` (``encoding.encoder.FlagsModule``).
        codebooks: a folder of codebooks that files name instead of storing one; None where there are none.
    """

    name: str
    summary: str
    rules: tuple[Rule, ...]
    parse: Load
    describe: Load
    reference: Load
    encoder: Load
    options: Load
    flags: Load
    cpu: Load | None = None
    triton: Load | None = None
    codebooks: Path | None = None


def module(name: str, attribute: str | None = None) -> Load:
    """Loads a module, or one ``attribute`` of it."""
    return partial(_load, name, attribute)


def _load(name: str, attribute: str | None) -> Any:
    loaded = import_module(name)
    return loaded if attribute is None else getattr(loaded, attribute)
