"""Static symbol tables: how likely each integer is (spec section 7.1).

A table maps signed integers to *tokens* and gives each token a 10-bit probability. ``low_bits`` low bits of every
value travel as plain bits beside the token, because the fine end of a high-resolution distribution is flat and a
table over it would only cost bytes. A value without a token is *patched*: another token is coded in its place, and the
record lists which symbol it was and what it is (``plain_bits.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.errors import InvalidFileError, UsageError

__all__ = ["MAX_LOW_BITS", "PRECISION_BITS", "SymbolTable", "TableSet", "normalize_counts"]

PRECISION_BITS = 10
TOTAL = 1 << PRECISION_BITS
VALUE_BITS = 16
TOKEN_BITS = 12
MAX_LOW_BITS = 12
MAX_TOKENS = TOTAL
# Where the parts of a slot begin (``TableSet.slots``); the token takes the lowest bits.
SLOT_BIAS, SLOT_FREQ = 22, 12
VALUE_MIN, VALUE_MAX = -(1 << (VALUE_BITS - 1)), (1 << (VALUE_BITS - 1)) - 1
TOKEN_MIN, TOKEN_MAX = -(1 << (TOKEN_BITS - 1)), (1 << (TOKEN_BITS - 1)) - 1
_PATCH_BITS = 32.0
"""What a patch costs beside the token that stands for it, about: the symbol's number and its value."""
_TAIL_SHARES = (0.0, 1 / 16384, 1 / 4096, 1 / 2048)
"""Of the values at either end, for which it is tried to patch them."""


@dataclass(frozen=True, slots=True, eq=False)
class SymbolTable:
    """Frequencies of tokens ``lowest .. lowest + len(freqs) - 1``.

    Attributes:
        lowest: the smallest token; token ``t`` stands for the values ``t * 2**low_bits + [0, 2**low_bits)``.
        low_bits: plain bits per value, 0..12.
        freqs: uint16 ``(tokens,)``, sums to 1024.
    """

    lowest: int
    low_bits: int
    freqs: NDArray[np.uint16]

    def __post_init__(self) -> None:
        if not 0 <= self.low_bits <= MAX_LOW_BITS:
            raise InvalidFileError(
                "TABLE-LOW-BITS", f"symbol table: low_bits {self.low_bits} is not in 0..{MAX_LOW_BITS}"
            )
        if not 1 <= len(self.freqs) <= MAX_TOKENS:
            raise InvalidFileError("TABLE-SIZE", f"symbol table: {len(self.freqs)} tokens, expected 1..{MAX_TOKENS}")
        total = int(self.freqs.sum(dtype=np.int64))
        if total != TOTAL:
            raise InvalidFileError("TABLE-SUM", f"symbol table: frequencies sum to {total}, expected {TOTAL}")
        highest = self.lowest + len(self.freqs) - 1
        if self.lowest < TOKEN_MIN or highest > TOKEN_MAX:
            raise InvalidFileError("TABLE-RANGE", f"symbol table: tokens {self.lowest}..{highest} do not fit 12 bits")
        low, high = self.lowest << self.low_bits, ((highest + 1) << self.low_bits) - 1
        if low < VALUE_MIN or high > VALUE_MAX:
            raise InvalidFileError("TABLE-RANGE", f"symbol table: values {low}..{high} do not fit 16 bits")

    @classmethod
    def from_values(cls, values: NDArray[Any], *, complete: bool = True) -> SymbolTable:
        """The table that codes integer ``values`` (any shape) in the fewest bits, its own storage counted.

        ``complete`` says that nothing else will be coded with it; otherwise (``values`` is a sample) neighbouring
        and outlying tokens keep some probability for values the sample did not hold.
        """
        flat = np.asarray(values, dtype=np.int64).ravel()
        if flat.size == 0:
            return cls(0, 0, np.array([TOTAL], np.uint16))
        if flat.min() < VALUE_MIN or flat.max() > VALUE_MAX:
            raise UsageError(f"symbols {flat.min()}..{flat.max()} do not fit 16 bits: use coarser quantization steps")
        # An outlier is cheaper as a patch than as a table stretched to reach it: try several spans.
        ordered = np.sort(flat)
        tails = {int(flat.size * share) for share in _TAIL_SHARES}
        spans = {(int(ordered[tail]), int(ordered[-1 - tail])) for tail in tails if 2 * tail < flat.size}
        candidates = [
            _from_histogram(flat, low_bits, span=span, complete=complete)
            for span in sorted(spans)
            for low_bits in _fitting_low_bits(span)
        ]
        storage_bits_per_token = 6.0  # measured on stored tables after zstd
        return min(candidates, key=lambda t: float(t.cost_bits(flat).sum()) + storage_bits_per_token * len(t.freqs))

    def tokens_of(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Index into ``freqs`` for each value, -1 for those without a token."""
        tokens = (np.asarray(values, dtype=np.int64) >> self.low_bits) - self.lowest
        inside = (tokens >= 0) & (tokens < len(self.freqs))
        tokens = np.where(inside, tokens, -1)
        return np.where(inside & (self.freqs[tokens] > 0), tokens, -1)

    def cost_bits(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Code length of each value in bits: ideal where it has a token, about what a patch takes where not."""
        tokens = self.tokens_of(values)
        with np.errstate(divide="ignore"):
            bits = PRECISION_BITS - np.log2(self.freqs.astype(np.float64))
        return np.where(tokens >= 0, bits[tokens] + self.low_bits, bits.min() + self.low_bits + _PATCH_BITS)

    def to_map(self) -> dict[str, Any]:
        """Plain types for the codebook section (spec section 5.3)."""
        return {"freqs": self.freqs.astype("<u2").tobytes(), "low_bits": self.low_bits, "lowest": self.lowest}

    @classmethod
    def from_map(cls, stored: Any) -> SymbolTable:
        """Parse and check one entry of the codebook's ``tables`` list."""
        match stored:
            case {"freqs": bytes(freqs), "low_bits": int(low_bits), "lowest": int(lowest), **rest} if not rest:
                if len(freqs) % 2 or len(freqs) > 2 * MAX_TOKENS or abs(lowest) > -VALUE_MIN:
                    raise InvalidFileError("TABLE-SIZE", f"symbol table: {len(freqs)} bytes from token {lowest}")
                return cls(lowest, low_bits, np.frombuffer(freqs, "<u2").astype(np.uint16))
        raise InvalidFileError("TABLE-FORM", "symbol table: expected exactly the keys freqs, low_bits, lowest")


def _fitting_low_bits(span: tuple[int, int]) -> range:
    """Numbers of low bits with which the tokens of a span of values fit a table, up to where one token is left."""

    def fits(low_bits: int) -> bool:
        first, last = span[0] >> low_bits, span[1] >> low_bits
        return first >= TOKEN_MIN and last <= TOKEN_MAX and last - first < MAX_TOKENS // 2  # with room for neighbours

    least = next(low_bits for low_bits in range(MAX_LOW_BITS + 1) if fits(low_bits))
    return range(least, min(max(least, (span[1] - span[0]).bit_length()), MAX_LOW_BITS) + 1)


def _from_histogram(flat: NDArray[np.int64], low_bits: int, *, span: tuple[int, int], complete: bool) -> SymbolTable:
    first, last = span[0] >> low_bits, span[1] >> low_bits
    margin = 0 if complete else 1 + (last - first) // 8
    lowest = max(first - margin, VALUE_MIN >> low_bits, TOKEN_MIN)
    highest = min(last + margin, VALUE_MAX >> low_bits, TOKEN_MAX)
    tokens = flat >> low_bits
    inside = (tokens >= lowest) & (tokens <= highest)
    counts = np.bincount(tokens[inside] - lowest, minlength=highest - lowest + 1).astype(np.float64)
    # Half a count each (Krichevsky-Trofimov) for what a sample did not hold.
    return SymbolTable(lowest, low_bits, normalize_counts(counts if complete else counts + 0.5))


def normalize_counts(counts: NDArray[Any]) -> NDArray[np.uint16]:
    """Scale nonnegative ``counts (n,)`` to integers that sum to 1024; what was above zero stays at least 1."""
    counts = np.asarray(counts, dtype=np.float64)
    present = counts > 0
    if not present.any() or present.sum() > TOTAL:
        raise UsageError(f"cannot give {int(present.sum())} tokens a share of {TOTAL}")
    ideal = counts / counts.sum() * TOTAL
    freqs = np.where(present, np.maximum(np.floor(ideal), 1), 0).astype(np.int64)
    while (missing := TOTAL - int(freqs.sum())) != 0:
        # Give to (or take from) the entries where one unit changes the code length least for the worse.
        step = 1 if missing > 0 else -1
        movable = present & (freqs + step >= 1)
        gain = np.where(movable, counts * np.log2(np.maximum(freqs + step, 1) / np.maximum(freqs, 1)), -np.inf)
        chosen = np.argsort(-gain, kind="stable")[: min(abs(missing), int(movable.sum()))]
        freqs[chosen] += step
    return freqs.astype(np.uint16)


@dataclass(frozen=True, slots=True, eq=False)
class TableSet:
    """All tables of a file side by side, as the coder and its decoders index them.

    Attributes:
        freqs, starts: uint32 ``(T, A)``: frequency and cumulative frequency of each token, zero-padded to the
            longest table.
        token_at: uint16 ``(T, 1024)``: index of the token that owns each slot.
        lowest, low_bits: int32 ``(T,)``: per table. stand_in: int32 ``(T,)``, index of the likeliest token, which is
            coded in the place of a value that has none.
        slots: uint32 ``(T, 1024)``: all that decoding needs of each slot: slot - start, frequency - 1 and the token,
            10, 10 and 12 bits from the highest down. Four bytes in one load: an index of tokens of one byte and a
            second table would be smaller, but their loads would wait for each other.
    """

    tables: tuple[SymbolTable, ...]
    freqs: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    token_at: NDArray[np.uint16]
    lowest: NDArray[np.int32]
    low_bits: NDArray[np.int32]
    stand_in: NDArray[np.int32]
    slots: NDArray[np.uint32]

    @classmethod
    def of(cls, tables: Sequence[SymbolTable]) -> TableSet:
        """Stack ``tables``; their order gives the table numbers records refer to."""
        longest = max((len(t.freqs) for t in tables), default=1)
        freqs = np.zeros((len(tables), longest), np.uint32)
        for row, table in zip(freqs, tables, strict=True):
            row[: len(table.freqs)] = table.freqs
        starts = np.cumsum(freqs, axis=1, dtype=np.uint32) - freqs
        token_at = np.array([np.repeat(np.arange(longest), row) for row in freqs], np.uint16).reshape(-1, TOTAL)
        lowest, low_bits = np.array([(t.lowest, t.low_bits) for t in tables], np.int32).reshape(-1, 2).T.copy()
        stand_in = freqs.argmax(axis=1).astype(np.int32)
        slots = _slots(freqs, starts, token_at, lowest)
        return cls(tuple(tables), freqs, starts, token_at, lowest, low_bits, stand_in, slots)


def _slots(
    freqs: NDArray[np.uint32], starts: NDArray[np.uint32], token_at: NDArray[np.uint16], lowest: NDArray[np.int32]
) -> NDArray[np.uint32]:
    rows, at = np.arange(len(freqs))[:, None], token_at.astype(np.int64)
    bias = np.arange(TOTAL) - starts[rows, at].astype(np.int64)
    share = freqs[rows, at].astype(np.int64) - 1
    token = (lowest[:, None] + at) & ((1 << TOKEN_BITS) - 1)
    return (bias << SLOT_BIAS | share << SLOT_FREQ | token).astype(np.uint32)
