"""Static symbol tables: how likely each integer is (spec section 7.1).

A table maps signed integers to *tokens* and gives each token a 12-bit probability. ``low_bits`` low bits of every
value travel as plain bits beside the token, because the fine end of a high-resolution distribution is flat and a
table over it would only cost bytes. The last token is the escape: a value outside the table follows as 16 plain bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inrformat.errors import InvalidFileError, UsageError

__all__ = ["MAX_LOW_BITS", "PRECISION_BITS", "SymbolTable", "TableSet", "normalize_counts"]

PRECISION_BITS = 12
TOTAL = 1 << PRECISION_BITS
ESCAPE_BITS = 16
MAX_LOW_BITS = 12
MAX_TOKENS = 1024
# Where the parts of a slot are (``TableSet.slots``), and the value of one that does not tell all.
SLOT_BIAS, SLOT_FREQ, SLOT_VALUE_BITS, SLOT_DETAILS = 20, 8, 8, -128
VALUE_MIN, VALUE_MAX = -(1 << (ESCAPE_BITS - 1)), (1 << (ESCAPE_BITS - 1)) - 1


@dataclass(frozen=True, slots=True, eq=False)
class SymbolTable:
    """Frequencies of tokens ``lowest .. lowest + len(freqs) - 2``, then of the escape token.

    Attributes:
        lowest: the smallest token; token ``t`` stands for the values ``t * 2**low_bits + [0, 2**low_bits)``.
        low_bits: plain bits per value, 0..12.
        freqs: uint16 ``(tokens + 1,)``, sums to 4096; the last entry is the escape's and may be 0.
    """

    lowest: int
    low_bits: int
    freqs: NDArray[np.uint16]

    def __post_init__(self) -> None:
        if not 0 <= self.low_bits <= MAX_LOW_BITS:
            raise InvalidFileError(
                "TABLE-LOW-BITS", f"symbol table: low_bits {self.low_bits} is not in 0..{MAX_LOW_BITS}"
            )
        if not 2 <= len(self.freqs) <= MAX_TOKENS:
            raise InvalidFileError("TABLE-SIZE", f"symbol table: {len(self.freqs)} tokens, expected 2..{MAX_TOKENS}")
        total = int(self.freqs.sum(dtype=np.int64))
        if total != TOTAL:
            raise InvalidFileError("TABLE-SUM", f"symbol table: frequencies sum to {total}, expected {TOTAL}")
        low, high = self.lowest << self.low_bits, ((self.lowest + len(self.freqs) - 1) << self.low_bits) - 1
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
            return cls(0, 0, np.array([TOTAL - 1, 1], np.uint16))
        if flat.min() < VALUE_MIN or flat.max() > VALUE_MAX:
            raise UsageError(f"symbols {flat.min()}..{flat.max()} do not fit 16 bits: use coarser quantization steps")
        # An outlier is cheaper as an escape than as a table stretched to reach it: try both.
        ordered = np.sort(flat)
        tail = max(flat.size // TOTAL, 1)
        spans = {(int(ordered[0]), int(ordered[-1])), (int(ordered[tail - 1]), int(ordered[-tail]))}
        candidates = [
            _from_histogram(flat, low_bits, span=span, complete=complete)
            for span in sorted(spans)
            for low_bits in range(MAX_LOW_BITS + 1)
            if low_bits == 0 or (span[1] - span[0]) >> low_bits
            if ((span[1] - span[0]) >> low_bits) < MAX_TOKENS // 2
        ]
        storage_bits_per_token = 6.0  # measured on stored tables after zstd
        return min(candidates, key=lambda t: float(t.cost_bits(flat).sum()) + storage_bits_per_token * len(t.freqs))

    def tokens_of(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Index into ``freqs`` for each value; values without a coded token get the escape's."""
        tokens = (np.asarray(values, dtype=np.int64) >> self.low_bits) - self.lowest
        escape = len(self.freqs) - 1
        inside = (tokens >= 0) & (tokens < escape)
        tokens = np.where(inside, tokens, escape)
        return np.where(self.freqs[tokens] > 0, tokens, escape)

    def cost_bits(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Ideal code length of each value in bits; ``inf`` where the table cannot code it."""
        tokens = self.tokens_of(values)
        with np.errstate(divide="ignore"):
            bits = PRECISION_BITS - np.log2(self.freqs.astype(np.float64))[tokens]
        return bits + np.where(tokens == len(self.freqs) - 1, ESCAPE_BITS, self.low_bits)

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


def _from_histogram(flat: NDArray[np.int64], low_bits: int, *, span: tuple[int, int], complete: bool) -> SymbolTable:
    first, last = span[0] >> low_bits, span[1] >> low_bits
    margin = 0 if complete else 1 + (last - first) // 8
    lowest, highest = max(first - margin, VALUE_MIN >> low_bits), min(last + margin, VALUE_MAX >> low_bits)
    tokens = flat >> low_bits
    inside = (tokens >= lowest) & (tokens <= highest)
    counts = np.bincount(tokens[inside] - lowest, minlength=highest - lowest + 1).astype(np.float64)
    escapes = float(flat.size - inside.sum())
    if not complete:
        # Half a count each (Krichevsky-Trofimov) for what the sample did not hold.
        counts += 0.5
        escapes += 0.5
    return SymbolTable(lowest, low_bits, normalize_counts(np.append(counts, escapes)))


def normalize_counts(counts: NDArray[Any]) -> NDArray[np.uint16]:
    """Scale nonnegative ``counts (n,)`` to integers that sum to 4096; what was above zero stays at least 1."""
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
        token_at: uint16 ``(T, 4096)``: the token that owns each slot.
        lowest, low_bits, escape: int32 ``(T,)``: per table, ``escape`` being the index of the escape token.
        slots: uint32 ``(2, T, 4096)``: all that decoding needs of each slot. ``slots[0]``: slot - start, frequency - 1
            and the value, 12, 12 and 8 bits from the highest down; a value of -128 says that ``slots[1]`` has to be
            asked: plain bits (0..12, 16 for the escape) and ``lowest`` + token, 16 bits each. What is asked for every
            symbol is small, for a processor's nearest caches to hold the tables.
    """

    tables: tuple[SymbolTable, ...]
    freqs: NDArray[np.uint32]
    starts: NDArray[np.uint32]
    token_at: NDArray[np.uint16]
    lowest: NDArray[np.int32]
    low_bits: NDArray[np.int32]
    escape: NDArray[np.int32]
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
        columns = np.array([(t.lowest, t.low_bits, len(t.freqs) - 1) for t in tables], np.int32).reshape(-1, 3)
        lowest, low_bits, escape = columns.T.copy()
        slots = _slots(freqs, starts, token_at, columns.astype(np.int64))
        return cls(tuple(tables), freqs, starts, token_at, lowest, low_bits, escape, slots)


def _slots(
    freqs: NDArray[np.uint32], starts: NDArray[np.uint32], token_at: NDArray[np.uint16], columns: NDArray[np.int64]
) -> NDArray[np.uint32]:
    rows, tokens = np.arange(len(freqs))[:, None], token_at.astype(np.int64)
    lowest, low_bits, escape = (columns[:, i, None] for i in range(3))
    plain_bits = np.where(tokens == escape, ESCAPE_BITS, low_bits)
    values = lowest + tokens
    told = (plain_bits == 0) & (np.abs(values) < -SLOT_DETAILS)
    value = np.where(told, values, SLOT_DETAILS) & ((1 << SLOT_VALUE_BITS) - 1)
    bias = np.arange(TOTAL) - starts[rows, tokens]
    short = bias << SLOT_BIAS | (freqs[rows, tokens].astype(np.int64) - 1) << SLOT_FREQ | value
    return np.stack([short, plain_bits << 16 | values & 0xFFFF]).astype(np.uint32)
