"""The rANS decoder of ``coding/rans.py`` in torch: same symbols, on any device, straight from resident bytes.

Reads nothing from the host: words, offsets and tables are tensors of one device. It is the readable form of what a
fused kernel does with one warp per record; the numpy coder stays normative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.coding.rans import LOWER_BOUND, STATE_BYTES, WORD_BITS, WORD_BYTES
from inrformat.coding.tables import ESCAPE_BITS, PRECISION_BITS, TOTAL, TableSet
from inrformat.errors import InvalidFileError

__all__ = ["TorchRansDecoder", "TorchTables"]


@dataclass(frozen=True, slots=True, eq=False)
class TorchTables:
    """A ``TableSet`` on a device: int64 ``freqs, starts (T, A)``, ``token_at (T, 4096)``, the rest ``(T,)``."""

    freqs: Tensor
    starts: Tensor
    token_at: Tensor
    lowest: Tensor
    low_bits: Tensor
    escape: Tensor

    @classmethod
    def of(cls, tables: TableSet, device: torch.device) -> TorchTables:
        """Copy ``tables`` to ``device``."""
        names = ("freqs", "starts", "token_at", "lowest", "low_bits", "escape")
        return cls(*(torch.from_numpy(getattr(tables, n).astype("int64")).to(device) for n in names))


class TorchRansDecoder:
    """Decodes a batch of records that lie in one payload, segment by segment."""

    def __init__(self, words: Tensor, offsets: Tensor, lengths: Tensor, tables: TorchTables, *, lanes: int) -> None:
        """Start at the records' heads.

        Args:
            words: int16 ``(W,)``, the payload as it lies in the file. offsets, lengths: int64 ``(B,)``, bytes.
        """
        self._all_words = words
        self._tables = tables
        self._lanes = lanes
        first = offsets // WORD_BYTES
        self._end = (offsets + lengths) // WORD_BYTES
        head = lanes * STATE_BYTES // WORD_BYTES
        if bool((lengths < lanes * STATE_BYTES).any()) or bool((lengths % WORD_BYTES != 0).any()):
            raise InvalidFileError("RECORD-LENGTH", f"a record is too short for {lanes} rANS lanes, or of odd length")
        halves = self._word_at(first[:, None] + torch.arange(head, device=words.device)).reshape(-1, lanes, 2)
        self._states = halves[..., 0] | halves[..., 1] << WORD_BITS  # int64 (B, lanes)
        self._next = first + head

    @property
    def device(self) -> torch.device:
        """Where the records are."""
        return self._states.device

    def decode(self, table_ids: NDArray[Any] | Tensor) -> Tensor:
        """The next segment: int32 ``(B, n)`` for ``table_ids`` int ``(n,)`` or ``(B, n)``."""
        tables, lanes, batch = self._tables, self._lanes, len(self._states)
        ids = torch.as_tensor(table_ids, device=self._states.device).expand(batch, -1)
        count = ids.shape[1]
        values = torch.empty((batch, count), dtype=torch.int32, device=ids.device)
        for first in range(0, count, lanes):
            t = ids[:, first : first + lanes]
            active = slice(0, t.shape[1])
            states = self._states[:, active]
            slots = states & TOTAL - 1
            tokens = tables.token_at[t, slots]
            states = tables.freqs[t, tokens] * (states >> PRECISION_BITS) + slots - tables.starts[t, tokens]
            states = self._refill(states)
            escaped = tokens == tables.escape[t]
            bits = torch.where(escaped, ESCAPE_BITS, tables.low_bits[t])
            plain = states & (1 << bits) - 1
            # Where bits is 0 the state already is at or above the bound, so nothing is read.
            self._states[:, active] = self._refill(states >> bits)
            coded = (tables.lowest[t] + tokens << tables.low_bits[t]) + plain
            signed = torch.where(plain >= 1 << ESCAPE_BITS - 1, plain - (1 << ESCAPE_BITS), plain)
            values[:, first : first + lanes] = torch.where(escaped, signed, coded)
        return values

    def finish(self) -> None:
        """Check that every record ended where it had to; raises InvalidFileError as ``RansDecoder.finish`` does."""
        if bool((self._next != self._end).any()):
            raise InvalidFileError("RECORD-SYMBOLS", "a record has more or fewer words than its symbols need")
        if bool((self._states != LOWER_BOUND).any()):
            raise InvalidFileError("RECORD-STATE", "a rANS lane did not end in its initial state")

    def _refill(self, states: Tensor) -> Tensor:
        low = states < LOWER_BOUND
        place = self._next[:, None] + low.cumsum(1) - low.long()
        self._next = self._next + low.sum(1)
        return torch.where(low, states << WORD_BITS | self._word_at(place), states)

    def _word_at(self, place: Tensor) -> Tensor:
        """Words as int64 in 0..65535; zero beyond the record's end, whatever its bytes made the decoder ask for."""
        words = self._all_words[place.clamp(max=len(self._all_words) - 1)].long() & 0xFFFF
        return torch.where(place < self._end[:, None], words, 0)
