"""Where images are encoded: what the compiled engine and the torch engine have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from inrformat.encoding.record import EncodedRecord, Image
from inrformat.families.cells.encoder.codebook import CellsCodebook

__all__ = ["Engine", "on_threads"]

Given = TypeVar("Given")
Result = TypeVar("Result")


class Engine(Protocol):
    """Encodes images under a codebook."""

    def encode(
        self, codebook: CellsCodebook, images: Sequence[Image], scales: Sequence[int]
    ) -> Iterator[EncodedRecord]:
        """Records of images uint8 ``(H, W, C)`` each, in order; ``scales``: the step scale of each.

        Raises:
            UsageError: an image has another number of channels than the codebook's network.
        """


def on_threads(function: Callable[[Given], Result], items: Iterable[Given], *, threads: int) -> Iterator[Result]:
    """``map`` on threads: compiled code and numpy let the interpreter go. Results come in order, as they are ready.

    Whoever stops asking does not wait for what is still being worked on.
    """
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
