"""The `siren` family: a sine-activated multilayer perceptron for each image (spec section 6.1).

    h_0 = (x, y)        h_l = sin(omega * (W_l h_(l-1) + b_l))        colour = 0.5 + 0.5 * (W_L h_(L-1) + b_L)

after Sitzmann et al., "Implicit Neural Representations with Periodic Activation Functions", 2020. Coordinates are
pixel centres in [-1, 1]: x = (2 column + 1) / columns - 1, y likewise down the rows. Parameters lie in one vector
W_1 (row-major, outputs x inputs), b_1, W_2, b_2, ...: two *groups* a layer, and a quantization step for each group.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from inrformat.coding.rans import lanes_for
from inrformat.errors import InvalidFileError

__all__ = ["SCALES_PER_OCTAVE", "Siren", "describe", "layer_slices", "parse"]

SCALES_PER_OCTAVE = 8
_MAX_LAYERS, _MAX_WIDTH = 64, 4096
_LANE_PARAMETERS = 128


def layer_slices(widths: Sequence[int]) -> list[tuple[slice, slice]]:
    """Where each layer's weights and biases lie in the parameter vector."""
    slices, at = [], 0
    for inputs, outputs in pairwise(widths):
        middle, end = at + inputs * outputs, at + (inputs + 1) * outputs
        slices.append((slice(at, middle), slice(middle, end)))
        at = end
    return slices


@dataclass(frozen=True, eq=False)
class Siren:
    """Descriptor of sine networks of one shape.

    Attributes:
        widths: inputs (2), hidden widths, outputs (channels).
        omega: frequency factor of every hidden layer.
        steps: float32 quantization step of each group, in order W_1, b_1, W_2, ...
        tables: symbol table number of each group.
        scale_table: symbol table number of the record's scale.
        base: float32 ``(P,)``, representable in float16, that all networks are differences to; None for zeros.
    """

    family: ClassVar[str] = "siren"

    widths: tuple[int, ...]
    omega: float
    steps: tuple[float, ...]
    tables: tuple[int, ...]
    scale_table: int
    base: NDArray[np.float32] | None = None

    @property
    def channels(self) -> int:
        """Colour channels of an image."""
        return self.widths[-1]

    @cached_property
    def group_sizes(self) -> tuple[int, ...]:
        """Parameters in each group."""
        return tuple(s.stop - s.start for pair in layer_slices(self.widths) for s in pair)

    @property
    def parameter_count(self) -> int:
        """Parameters of one network, P."""
        return sum(self.group_sizes)

    @cached_property
    def step_vector(self) -> NDArray[np.float32]:
        """Step of each parameter: float32 ``(P,)``."""
        return np.repeat(np.array(self.steps, np.float32), self.group_sizes)

    @cached_property
    def table_vector(self) -> NDArray[np.int64]:
        """Symbol table number of each parameter: int64 ``(P,)``."""
        return np.repeat(np.array(self.tables, np.int64), self.group_sizes)

    @property
    def symbol_tables(self) -> NDArray[np.int64]:
        """Symbol table number of each symbol of a record, of the step scale first: int64 ``(1 + P,)``."""
        return np.append(self.scale_table, self.table_vector)

    @property
    def rans_lanes(self) -> int:
        """rANS lanes of a record: about one for every 128 parameters."""
        return lanes_for(self.parameter_count // _LANE_PARAMETERS)

    def behind_tables(self, count: int) -> Siren:
        """See ``families.family.Network``."""
        tables = tuple(table + count for table in self.tables)
        return replace(self, tables=tables, scale_table=self.scale_table + count)

    def multiply_adds(self, *, height: int, width: int) -> int:
        """Multiply-adds to evaluate one network at every pixel centre of ``height x width``."""
        return height * width * sum(a * b for a, b in pairwise(self.widths))

    def lanes(self, *, height: int, width: int) -> int:
        """rANS lanes of a record: by the number of parameters alone."""
        return self.rans_lanes

    def to_map(self) -> dict[str, Any]:
        """Plain types for the codebook section."""
        stored: dict[str, Any] = {
            "family": self.family,
            "omega": self.omega,
            "scale_table": self.scale_table,
            "steps": np.array(self.steps, "<f4").tobytes(),
            "tables": list(self.tables),
            "widths": list(self.widths),
        }
        if self.base is not None:
            stored["base"] = self.base.astype("<f2").tobytes()
        return stored

    @classmethod
    def from_map(cls, stored: dict[str, Any], *, table_count: int) -> Siren:
        """Parse and check a descriptor; a key it does not know could change what the record means, so it is refused."""
        match stored:
            case {
                "omega": float(omega),
                "scale_table": int(scale_table),
                "steps": bytes(steps),
                "tables": list(tables),
                "widths": list(widths),
                "family": _,
                **rest,
            } if set(rest) <= {"base"}:
                base = rest.get("base")
            case _:
                raise InvalidFileError("SIREN-FORM", f"siren descriptor: unexpected keys or types in {sorted(stored)}")
        if not all(isinstance(n, int) and 0 < n <= _MAX_WIDTH for n in widths) or not 2 <= len(widths) <= _MAX_LAYERS:
            raise InvalidFileError("SIREN-WIDTHS", f"siren descriptor: widths {widths} are out of range")
        if widths[0] != 2:
            raise InvalidFileError("SIREN-WIDTHS", f"siren descriptor: {widths[0]} inputs, images have 2")
        groups = 2 * (len(widths) - 1)
        values = np.frombuffer(steps, "<f4") if len(steps) == 4 * groups else np.zeros(0)
        if len(values) != groups or not (np.isfinite(values) & (values > 0)).all() or not math.isfinite(omega):
            raise InvalidFileError(
                "SIREN-STEPS", f"siren descriptor: expected {groups} positive steps and a finite omega"
            )
        if len(tables) != groups or not all(
            isinstance(t, int) and 0 <= t < table_count for t in (*tables, scale_table)
        ):
            raise InvalidFileError(
                "SIREN-TABLES", f"siren descriptor: expected {groups} of {table_count} table numbers"
            )
        network = cls(tuple(widths), omega, tuple(values.tolist()), tuple(tables), scale_table)
        return network if base is None else network._with_base(base)

    def _with_base(self, base: Any) -> Siren:
        values = np.frombuffer(base, "<f2") if isinstance(base, bytes) and len(base) % 2 == 0 else np.zeros(0, "<f2")
        if len(values) != self.parameter_count or not np.isfinite(values).all():
            raise InvalidFileError("SIREN-BASE", f"siren descriptor: base is not {self.parameter_count} finite numbers")
        return Siren(self.widths, self.omega, self.steps, self.tables, self.scale_table, values.astype(np.float32))


def parse(stored: dict[str, Any], *, table_count: int) -> Siren:
    """See ``Siren.from_map``."""
    return Siren.from_map(stored, table_count=table_count)


def describe(stored: dict[str, Any]) -> str:
    """What ``info`` says of a stored descriptor: its widths, inputs and outputs included."""
    widths = stored.get("widths")
    return f"{Siren.family} {'-'.join(map(str, widths))}" if isinstance(widths, list) else Siren.family
