"""What the Triton decoder of a network family has to offer (a module of these names is one), and what it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
import triton
from torch import Tensor

from inrformat.decoding.arena import Arena
from inrformat.decoding.device_file import DeviceFile
from inrformat.decoding.triton.ahead_of_time import KernelVariant
from inrformat.decoding.triton.batch import Payload, Samples
from inrformat.decoding.triton.sampling import Maps

__all__ = ["PRECISIONS", "FamilyPlan", "Precision", "TritonBackend", "View"]


class Precision(NamedTuple):
    """How kernels multiply matrices.

    Attributes:
        products: ``tl.dot``'s input_precision of float32. half: whether float16 will do for activations in [-1, 1].
    """

    products: str
    half: bool


PRECISIONS = {"float32": Precision(products="ieee", half=False), "fast": Precision(products="tf32", half=True)}
"""By the name that ``launch.decode`` is given."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How a batch is to be shown: what every kernel that evaluates networks is given.

    Attributes:
        out: ``(B, C, H, W)``, any strides, written to. channel_style: see ``epilogue.py``.
    """

    samples: Samples
    maps: Maps
    out: Tensor
    channel_style: Tensor
    precision: Precision

    def __len__(self) -> int:
        return len(self.out)

    def launch(
        self,
        kernel: Any,
        *,
        tile: tuple[int, int],
        arguments: Mapping[str, Any],
        options: Mapping[str, Any],
        samples: int | None = None,
    ) -> None:
        """Run a program for each ``tile`` (height, width) of each sample.

        Args:
            arguments: the kernel's own, constants included. options: of the compiler.
            samples: how many, where the kernel is told by an argument which is the first; else all.
        """
        batch, channels, height, width = self.out.shape
        batch = batch if samples is None else samples
        stride_b, stride_c, stride_y, stride_x = self.out.stride()
        tile_rows, tile_columns = -(-height // tile[0]), -(-width // tile[1])
        kernel[(batch * tile_rows * tile_columns,)](
            **self.samples._asdict(),
            **arguments,
            **options,
            packed=self.maps.packed,
            channel_style=self.channel_style,
            out=self.out,
            out_height=height,
            out_width=width,
            tile_columns=tile_columns,
            tile_count=tile_rows * tile_columns,
            stride_b=stride_b,
            stride_c=stride_c,
            stride_y=stride_y,
            stride_x=stride_x,
            C=channels,
            C_PAD=triton.next_power_of_2(channels),
            PADDING_MODE=int(self.maps.padding_mode),
            BYTES=self.out.dtype == torch.uint8,
        )


class FamilyPlan(Protocol):
    """What a family's kernels need of a file, found once: its flat descriptors and sizes, in whatever form it likes."""

    @property
    def record_bytes(self) -> int:
        """Scratch of one record."""

    def allocate(self, batch: int, arena: Arena) -> Any:
        """Scratch for ``batch`` records: a frozen dataclass of tensors cut from ``arena``, on the file's device."""


class TritonBackend(Protocol):
    """The Triton decoder of one family.

    Every kernel is launched for whole batches; its programs leave at once where the sample is of another family.
    """

    def why_not(self, file: DeviceFile) -> str | None:
        """Why the kernels cannot decode the family's networks in ``file``, which holds a record, or None."""

    def prepare(self, file: DeviceFile) -> FamilyPlan:
        """The plan of a file with networks of the family; reads nothing from the device."""

    def read(self, plan: Any, scratch: Any, *, payload: Payload, samples: Samples, status: Tensor) -> None:
        """Records to weights in ``scratch``.

        Args:
            status: int32 ``(B,)`` or longer, receives for each of the family's samples 0 or bits of ``rans.py`` and of
                the family, which has those from ``rans.FIRST_FAMILY_FAULT`` on.
        """

    def render(self, plan: Any, scratch: Any, *, view: View) -> None:
        """Weights in ``scratch`` to pixels of the family's samples."""

    def kernels(self) -> Iterable[KernelVariant]:
        """Every kernel of the family as ``read`` and ``render`` launch it, for compiling without a GPU."""
