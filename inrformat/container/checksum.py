"""CRC-32C (Castagnoli, RFC 3720 appendix B.4), vectorised with numpy (spec section 9).

A CRC is linear over GF(2): leading zero bytes change nothing when the register starts at zero, and the CRC of a
concatenation is the shifted CRC of the front part XOR that of the back. So long data is cut into equal rows that
advance together, and many records are checked at once, right-aligned in one matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["crc32c", "crc32c_many"]

_POLYNOMIAL = 0x82F63B78  # reflected 0x1EDC6F41
_ALL_ONES = 0xFFFFFFFF
_ROW_BYTES = 2048
_SMALL_BYTES = 1024
_STRIDE_BYTES = 1 << 24  # bounds the working memory of one pass

Words = NDArray[np.uint32]
Buffer = bytes | bytearray | memoryview


def crc32c(data: Buffer, crc: int = 0) -> int:
    """CRC-32C of ``data``; pass the result of an earlier call as ``crc`` to continue it."""
    view = memoryview(data).cast("B")
    for start in range(0, len(view), _STRIDE_BYTES):
        piece = view[start : start + _STRIDE_BYTES]
        register = crc ^ _ALL_ONES
        register = _serial(piece, register) if len(piece) < _SMALL_BYTES else _parallel(piece, register)
        crc = register ^ _ALL_ONES
    return crc


def crc32c_many(records: Sequence[Buffer]) -> Words:
    """CRC-32C of each record: uint32 ``(len(records),)``."""
    longest = max((len(r) for r in records), default=0)
    if longest < 8 or longest * len(records) > _STRIDE_BYTES or min(len(r) for r in records) < 4:
        return np.array([crc32c(r) for r in records], np.uint32)
    rows = np.zeros((len(records), longest + (-longest % 8)), np.uint8)
    for row, record in zip(rows, records, strict=True):
        row[-len(record) :] = np.frombuffer(record, np.uint8)
        row[-len(record) :][:4] ^= 0xFF  # the register's initial ones
    return _advance_rows(rows) ^ np.uint32(_ALL_ONES)


@lru_cache(maxsize=1)
def _byte_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _serial(data: memoryview, register: int) -> int:
    table = _byte_table()
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register


@lru_cache(maxsize=64)
def _shift_columns(zero_bytes: int) -> tuple[int, ...]:
    """Where each of the 32 register bits goes when that many zero bytes are read."""
    if zero_bytes == 1:
        return tuple(_serial(memoryview(b"\0"), 1 << bit) for bit in range(32))
    half, odd = divmod(zero_bytes, 2)
    columns = [_apply(_shift_columns(half), c) for c in _shift_columns(half)]
    return tuple(_apply(_shift_columns(1), c) for c in columns) if odd else tuple(columns)


def _apply(columns: Sequence[int], register: int) -> int:
    result = 0
    for bit, column in enumerate(columns):
        if register >> bit & 1:
            result ^= column
    return result


@lru_cache(maxsize=64)
def _shift_tables(zero_bytes: int) -> tuple[Words, Words]:
    """The shift by ``zero_bytes`` as two tables, indexed by the low and the high half of the register."""
    columns = np.array(_shift_columns(zero_bytes), np.uint32)
    halves = np.arange(1 << 16, dtype=np.uint32)
    tables = []
    for first in (0, 16):
        table = np.zeros(1 << 16, np.uint32)
        for bit in range(16):
            table ^= np.where(halves >> np.uint32(bit) & np.uint32(1), columns[first + bit], np.uint32(0))
        tables.append(table)
    return tables[0], tables[1]


def _advance_rows(rows: NDArray[np.uint8]) -> Words:
    """Registers (started at zero) after reading each row; the row length is a multiple of 8."""
    halves = np.ascontiguousarray(rows.view("<u2").T)  # (row bytes / 2, rows)
    near, far = _shift_tables(4), _shift_tables(8)
    registers = np.zeros(rows.shape[0], np.uint32)
    for step in range(0, len(halves), 4):
        low = halves[step] ^ (registers & np.uint32(0xFFFF))
        high = halves[step + 1] ^ (registers >> np.uint32(16))
        registers = far[0][low] ^ far[1][high] ^ near[0][halves[step + 2]] ^ near[1][halves[step + 3]]
    return registers


def _parallel(data: memoryview, register: int) -> int:
    rows = 1 << (-(-len(data) // _ROW_BYTES) - 1).bit_length()
    padded = np.zeros(rows * _ROW_BYTES, np.uint8)
    padded[-len(data) :] = np.frombuffer(data, np.uint8)
    padded[-len(data) :][:4] ^= np.frombuffer(register.to_bytes(4, "little"), np.uint8)
    registers = _advance_rows(padded.reshape(rows, _ROW_BYTES))
    span = _ROW_BYTES
    while len(registers) > 1:
        low, high = _shift_tables(span)
        front, back = registers[0::2], registers[1::2]
        registers = low[front & np.uint32(0xFFFF)] ^ high[front >> np.uint32(16)] ^ back
        span *= 2
    return int(registers[0])
