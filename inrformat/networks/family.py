"""What every network family offers to the rest of the package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

__all__ = ["Network", "SymbolDecoder"]


class SymbolDecoder(Protocol):
    """A batch of records being decoded, in numpy (``coding/rans.py``) or in torch (``coding/rans_torch.py``)."""

    def decode(self, table_ids: NDArray[Any]) -> Any:
        """The next segment, int32 ``(B, n)``, for ``table_ids`` int ``(n,)`` or ``(B, n)``."""

    def finish(self) -> None:
        """Check that every record ended where it had to."""


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
        """Plain types for the codebook section."""

    def multiply_adds(self, *, height: int, width: int) -> int:
        """Multiply-adds to evaluate one network at every pixel centre of ``height x width``."""

    def lanes(self, *, height: int, width: int) -> int:
        """rANS lanes of a record of that native size."""

    def read(self, decoder: SymbolDecoder, *, height: int, width: int) -> Any:
        """The weights of the decoder's records, in whatever form ``render`` takes.

        ``decoder`` must be the torch one; ``height`` and ``width`` are the native size of all its records.
        """

    def render(self, weights: Any, *, native: tuple[int, int], y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Evaluate at every crossing of rows ``y (R,)`` and columns ``x (S,)``, in native pixels, the same for all.

        Returns:
            ``(B, channels, R, S)`` of the weights' dtype, nominally in [0, 1], not clamped.
        """

    def sample(self, weights: Any, xy: torch.Tensor, *, native: tuple[int, int]) -> torch.Tensor:
        """Evaluate at any positions ``xy (B, N, 2)``, (x, y) in native pixels; differentiable in weights and xy.

        Positions are taken in the weights' dtype.

        Returns:
            ``(B, channels, N)`` of the weights' dtype, nominally in [0, 1], not clamped.
        """
