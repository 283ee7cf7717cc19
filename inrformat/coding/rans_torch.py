"""The rANS decoder of ``coding/rans.py`` in torch: same symbols, on any device, straight from resident bytes.

Reads nothing from the host while it decodes tokens: words, offsets and tables are tensors of one device. It is the
readable form of what a fused kernel does with one warp per stream; the numpy coder stays normative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrformat.coding.plain_bits import WORD_BITS, number_bits
from inrformat.coding.rans import LOWER_BOUND, STATE_BYTES, STREAM_LANES, WORD_BYTES
from inrformat.coding.tables import PRECISION_BITS, SLOT_BIAS, SLOT_FREQ, TOKEN_BITS, TOTAL, VALUE_BITS, TableSet
from inrformat.errors import InvalidFileError

__all__ = ["TorchRansDecoder", "TorchTables"]


@dataclass(frozen=True, slots=True, eq=False)
class TorchTables:
    """A ``TableSet`` on a device: int64 ``slots (T, 1024)`` and ``low_bits (T,)``."""

    slots: Tensor
    low_bits: Tensor

    @classmethod
    def of(cls, tables: TableSet, device: torch.device) -> TorchTables:
        """Copy ``tables`` to ``device``."""
        return cls(*(torch.from_numpy(x.astype("int64")).to(device) for x in (tables.slots, tables.low_bits)))


class TorchRansDecoder:
    """Decodes a batch of records that lie in one payload: leading segments one by one, then the body."""

    def __init__(self, words: Tensor, offsets: Tensor, lengths: Tensor, tables: TorchTables, *, lanes: int) -> None:
        """Start at the records' heads.

        Args:
            words: int16 ``(W,)``, the payload as it lies in the file. offsets, lengths: int64 ``(B,)``, bytes.
        """
        self._all_words, self._tables, self._lanes = words, tables, lanes
        first, self._end = offsets // WORD_BYTES, (offsets + lengths) // WORD_BYTES
        numbers = lanes - 1 + -(-lanes // STREAM_LANES)
        if bool((lengths < numbers * STATE_BYTES).any()) or bool((lengths % WORD_BYTES != 0).any()):
            raise InvalidFileError("RECORD-LENGTH", f"a record is too short for {lanes} rANS lanes, or of odd length")
        at = first[:, None] + torch.arange(2 * numbers, device=words.device)
        halves = self._word_at(at, self._end[:, None]).reshape(-1, numbers, 2)
        head = halves[..., 0] | halves[..., 1] << WORD_BITS  # int64 (B, numbers)
        self._states = head[:, :lanes].clone()
        runs = (first + 2 * numbers)[:, None] + head[:, lanes:].cumsum(1)
        # Of each stream the next word and the one behind the last: int64 (B, streams).
        self._next = torch.cat([(first + 2 * numbers)[:, None], runs], dim=1)
        self._ends = torch.cat([runs, self._end[:, None]], dim=1)
        if bool((self._ends > self._end[:, None]).any()):
            raise InvalidFileError("RECORD-LENGTH", "a record's streams are longer than the record")

    def __len__(self) -> int:
        return len(self._states)

    @property
    def device(self) -> torch.device:
        """Where the records are."""
        return self._states.device

    def decode(self, table_ids: NDArray[Any] | Tensor) -> Tensor:
        """The next leading segment: int32 ``(B, n)`` for ``table_ids`` int ``(n,)`` or ``(B, n)``."""
        ids = torch.as_tensor(table_ids, device=self.device).expand(len(self._states), -1)
        return self._tokens(ids, lanes=min(self._lanes, STREAM_LANES)).int()

    def decode_body(self, table_ids: NDArray[Any] | Tensor, counts: NDArray[Any] | None = None) -> Tensor:
        """The body; arguments, results and errors are those of ``RansDecoder.decode_body``."""
        ids = torch.as_tensor(table_ids, device=self.device).expand(len(self._states), -1)
        tokens = self._tokens(ids, lanes=self._lanes)
        known = np.full(len(ids), ids.shape[1]) if counts is None else np.asarray(counts)
        counted = torch.as_tensor(known, device=self.device)
        low_bits = torch.where(self._numbers(ids.shape[1]) < counted[:, None], self._tables.low_bits[ids], 0)
        places = low_bits.cumsum(1) - low_bits
        values = tokens << low_bits | self._plain(places, low_bits)
        taken = self._patch(values, low_bits.sum(1), counted)
        self._check(-(-taken // WORD_BITS))
        return values.int()

    def _patch(self, values: Tensor, first: Tensor, counts: Tensor) -> Tensor:
        """Set the values of patched symbols; returns where the records' plain bits end, counted from their start."""
        width = torch.tensor([number_bits(n) for n in counts.tolist()], device=self.device)
        patched = self._plain(first[:, None], torch.ones_like(first)[:, None])[:, 0]
        patches = self._plain(first[:, None] + 1, width[:, None])[:, 0] * patched
        if bool((patches > counts).any()):
            raise InvalidFileError("RECORD-PATCH", "a record has more patches than symbols")
        at = self._numbers(int(patches.max())) * (width + VALUE_BITS)[:, None] + (first + 1 + width)[:, None]
        exists = self._numbers(at.shape[1]) < patches[:, None]
        numbers = torch.where(exists, self._plain(at, width[:, None].expand_as(at)), -1)
        ascending = numbers[:, 1:] > numbers[:, :-1]
        if bool((exists[:, 1:] & ~ascending).any()) or bool((exists & (numbers >= counts[:, None])).any()):
            raise InvalidFileError("RECORD-PATCH", "a record's patches are not of its symbols, in order")
        value = self._plain(at + width[:, None], torch.full_like(at, VALUE_BITS))
        value = torch.where(value >= 1 << VALUE_BITS - 1, value - (1 << VALUE_BITS), value)
        row = self._numbers(len(values))[0, :, None].expand_as(at)
        values[row[exists], numbers[exists]] = value[exists]
        return first + 1 + patched * width + patches * (width + VALUE_BITS)

    def _check(self, plain_words: Tensor) -> None:
        """Raises: InvalidFileError: a record of so many plain words ``(B,)`` did not end where it had to."""
        if bool((self._states >> WORD_BITS != 1).any()):
            raise InvalidFileError("RECORD-STATE", "a rANS lane did not end between 2**16 and 2**17")
        end = self._next[:, -1] + (plain_words - self._lanes).clamp(min=0)
        if bool((end != self._end).any()) or bool((self._next[:, :-1] != self._ends[:, :-1]).any()):
            raise InvalidFileError("RECORD-SYMBOLS", "a record has more or fewer words than its symbols need")
        unused = self._numbers(self._lanes) >= plain_words[:, None]
        if bool((unused & (self._states != LOWER_BOUND)).any()):
            raise InvalidFileError("RECORD-STATE", "a rANS lane that holds no plain bits did not end at 2**16")

    def _plain(self, first: Tensor, widths: Tensor) -> Tensor:
        """Numbers of ``widths (B, n)`` bits that begin ``first (B, n)`` bits into the records' plain ones."""
        number = torch.zeros_like(first)
        for part in range(3):  # at most 32 bits, wherever they begin in a word
            number |= self._plain_word((first >> 4) + part) << (WORD_BITS * part)
        return number >> (first & WORD_BITS - 1) & (1 << widths) - 1

    def _plain_word(self, place: Tensor) -> Tensor:
        in_state = self._states.gather(1, place.clamp(max=self._lanes - 1)) & 0xFFFF
        behind = self._word_at(self._next[:, -1:] + place - self._lanes, self._end[:, None])
        return torch.where(place < self._lanes, in_state, behind)

    def _numbers(self, count: int) -> Tensor:
        return torch.arange(count, device=self.device)[None]

    def _tokens(self, ids: Tensor, *, lanes: int) -> Tensor:
        tokens = torch.empty(ids.shape, dtype=torch.int64, device=ids.device)
        for first in range(0, ids.shape[1], lanes):
            t = ids[:, first : first + lanes]
            states = self._states[:, : t.shape[1]]
            slots = self._tables.slots[t, states & TOTAL - 1]
            token = slots & (1 << TOKEN_BITS) - 1
            tokens[:, first : first + lanes] = token - (token >> TOKEN_BITS - 1 << TOKEN_BITS)
            freqs = (slots >> SLOT_FREQ & TOTAL - 1) + 1
            self._states[:, : t.shape[1]] = self._refill(freqs * (states >> PRECISION_BITS) + (slots >> SLOT_BIAS))
        return tokens

    def _refill(self, states: Tensor) -> Tensor:
        refilled = []
        for stream, mine in enumerate(states.split(STREAM_LANES, dim=1)):
            low = mine < LOWER_BOUND
            place = self._next[:, stream, None] + low.cumsum(1) - low.long()
            self._next[:, stream] += low.sum(1)
            word = self._word_at(place, self._ends[:, stream, None])
            refilled.append(torch.where(low, mine << WORD_BITS | word, mine))
        return torch.cat(refilled, dim=1)

    def _word_at(self, place: Tensor, end: Tensor) -> Tensor:
        """Words as int64 in 0..65535; zero from ``end`` on, whatever the bytes made the decoder ask for."""
        words = self._all_words[place.clamp(min=0, max=len(self._all_words) - 1)].long() & 0xFFFF
        return torch.where(place < end, words, 0)
