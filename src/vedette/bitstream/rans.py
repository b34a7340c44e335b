"""Interleaved rANS: symbols to bytes and back, at the tables' entropy.

A stream is: lane count u8, number of escapes and then each escaped value as zigzag LEB128, the final
state of each lane u40, 16-bit words; all little-endian. The symbol at position i of the stream belongs
to lane i mod lanes. States live in [2^24, 2^40) and start at 2^24, which `Decoder.finish` checks.

The NumPy and Python code here is the reference; `vedette._native` does the same faster.
Source: J. Duda, arXiv 1311.2540; interleaving after F. Giesen, arXiv 1402.3392. The 40-bit states are
our choice: with 32 bits and 16-bit words, streams came out 0.17 % above the tables' entropy.
"""

import importlib
import logging
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Int32, Integer

from vedette.bitstream.leb128 import (
    from_zigzag,
    put_number,
    read_numbers,
    take_number,
    to_zigzag,
    write_numbers,
)
from vedette.bitstream.tables import Tables
from vedette.errors import CorruptProductError, InputError

LOW_BITS = 24
LOW = 1 << LOW_BITS
STATE_BYTES = 5
LANES = 4  # 8 were measured no faster
LANES_MOST = 128
SHORT_BYTES = 16384  # below it one lane is used: each further lane costs 3 bytes beside what it carries
_logger = logging.getLogger(__name__)


@cache
def _kernel() -> Any:
    """The compiled module, or None; says once that it is missing."""
    try:
        return importlib.import_module("vedette._native")
    except ImportError:
        _logger.warning("the compiled module is missing; the slower reference serves, with the same bytes")
        return None


def native_available() -> bool:
    """Whether the compiled module serves."""
    return _kernel() is not None


def encode(
    symbols: Integer[np.ndarray, " n"],
    table_ids: Integer[np.ndarray, " n"],
    tables: Tables,
    *,
    lanes: int | None = None,
) -> bytes:
    """The bytes of `symbols`, each coded with the table of its id.

    A symbol outside its table costs the table's escape and 1 to 5 bytes. The same input gives the
    same bytes with and without the compiled module.

    Args:
        symbols: any 32-bit integers.
        lanes: a power of two, 1..128; by default 4, or 1 where the stream is shorter than 16 KiB.

    Raises:
        InputError: lengths differ, a value does not fit 32 bits, a table id is unknown, or `lanes` is
            not allowed.

    >>> from vedette.bitstream.tables import tables_from_pmf
    >>> tables = tables_from_pmf([np.array([0.5, 0.3, 0.2])], [0])
    >>> data = encode(np.array([0, 1, 2, 900]), np.zeros(4, dtype=np.int32), tables)
    >>> Decoder(data, tables).decode(np.zeros(4, dtype=np.int32)).tolist()
    [0, 1, 2, 900]
    """
    if symbols.shape != table_ids.shape or symbols.ndim != 1:
        raise InputError(
            f"symbols of shape {symbols.shape}, table ids of {table_ids.shape}", hint="one id a symbol"
        )
    symbols, table_ids = _as_int32(symbols), _as_int32(table_ids)
    if lanes is not None:
        if not _lanes_allowed(lanes):
            raise InputError(f"{lanes} lanes", hint=f"a power of two, 1..{LANES_MOST}, is needed")
        return _encode(symbols, table_ids, tables, lanes)
    data = _encode(symbols, table_ids, tables, LANES)
    return data if len(data) >= SHORT_BYTES else _encode(symbols, table_ids, tables, 1)


class Decoder:
    """Reads a stream of `encode`, in as many calls as the caller likes.

    Memory is the stream's own and 4 bytes a symbol asked for; time is linear in both.

    Raises:
        CorruptProductError: the stream is damaged. Whatever the bytes, nothing worse happens.

    >>> from vedette.bitstream.tables import gaussian_tables
    >>> tables, ids = gaussian_tables(np.array([0.5, 4.0])), np.array([1, 0, 1], dtype=np.int32)
    >>> decoder = Decoder(encode(np.array([-7, 0, 3]), ids, tables), tables)
    >>> decoder.decode(ids[:1]).tolist(), decoder.decode(ids[1:]).tolist()
    ([-7], [0, 3])
    >>> decoder.finish()
    """

    def __init__(self, data: bytes, tables: Tables) -> None:
        self._tables = tables
        lanes = data[0] if data else 0
        if not _lanes_allowed(lanes):
            raise CorruptProductError("a stream has an impossible lane count")
        count, at = take_number(data, 1)
        zigzag, at = read_numbers(data, at, count)
        self._escapes = from_zigzag(zigzag)
        end = at + STATE_BYTES * lanes
        if end > len(data) or (len(data) - end) % 2:
            raise CorruptProductError("a stream ends inside its states or words")
        states = np.zeros((lanes, 8), dtype=np.uint8)
        states[:, :STATE_BYTES] = np.frombuffer(data[at:end], dtype=np.uint8).reshape(lanes, STATE_BYTES)
        self._states = states.view("<u8")[:, 0].astype(np.uint64)
        self._words = np.frombuffer(data, dtype="<u2", offset=end).astype(np.uint16)
        if (self._states < LOW).any():
            raise CorruptProductError("a stream has an impossible state")
        self._cursor = np.zeros(4, dtype=np.int64)  # symbols, words and escapes so far, one spare

    def decode(self, table_ids: Integer[np.ndarray, " n"]) -> Int32[np.ndarray, " n"]:
        """The next symbols, one for each table id.

        Raises:
            CorruptProductError: the stream ends before the last of them.
            InputError: a table id is unknown.
        """
        kernel, tables, table_ids = _kernel(), self._tables, _as_int32(table_ids)
        symbols = np.empty(len(table_ids), dtype=np.int32)
        state = self._states, self._words, self._escapes, self._cursor
        if kernel is None:
            status = decode_reference(symbols, table_ids, tables, *state)
        else:
            arrays = tables.cdf, tables.starts, tables.firsts, tables.buckets
            status = kernel.rans_decode(symbols, table_ids, *arrays, *state)
        if status == 3:
            raise InputError(f"a table id outside 0..{len(tables) - 1}")
        if status:
            raise CorruptProductError("a stream ends before its last symbol")
        return symbols

    def finish(self) -> None:
        """Check that the stream ended exactly here.

        Raises:
            CorruptProductError: words or escapes are left, or a state is not the first one.
        """
        _, words, escapes, _ = self._cursor.tolist()
        if words != len(self._words) or escapes != len(self._escapes) or (self._states != LOW).any():
            raise CorruptProductError("a stream does not end where its symbols do")


def _encode(symbols: np.ndarray, table_ids: np.ndarray, tables: Tables, lanes: int) -> bytes:
    kernel = _kernel()
    states = np.empty(lanes, dtype=np.uint64)
    words = np.empty(len(symbols), dtype=np.uint16)
    escapes = np.empty(len(symbols), dtype=np.int32)
    if kernel is None:
        written, escaped = encode_reference(symbols, table_ids, tables, states, words, escapes)
    else:
        arrays = tables.cdf, tables.starts, tables.firsts, tables.buckets
        written, escaped = kernel.rans_encode(symbols, table_ids, *arrays, states, words, escapes)
    if written < 0:
        raise InputError(f"a table id outside 0..{len(tables) - 1}")
    packed = states.astype("<u8").view(np.uint8).reshape(lanes, 8)[:, :STATE_BYTES].tobytes()
    side = write_numbers(to_zigzag(escapes[:escaped][::-1]))
    return (
        bytes([lanes]) + put_number(escaped) + side + packed + words[:written][::-1].astype("<u2").tobytes()
    )


def encode_reference(
    symbols: np.ndarray,
    table_ids: np.ndarray,
    tables: Tables,
    states: np.ndarray,
    words: np.ndarray,
    escapes: np.ndarray,
) -> tuple[int, int]:
    """What the kernel does: fill the last three arrays (words and escapes last first), return the counts."""
    if len(table_ids) and not 0 <= int(table_ids.min()) <= int(table_ids.max()) < len(tables):
        return -1, 0
    starts, last = tables.starts[table_ids].astype(np.int64), np.diff(tables.starts)[table_ids] - 2
    bins = symbols.astype(np.int64) - tables.firsts[table_ids]
    escaping = (bins < 0) | (bins >= last)
    bins = np.where(escaping, last, bins)
    low = tables.cdf[starts + bins].tolist()
    high = tables.cdf[starts + bins + 1].tolist()
    lanes = len(states)
    current, out = [LOW] * lanes, []
    for i in range(len(low) - 1, -1, -1):
        start, frequency = low[i], high[i] - low[i]
        state = current[i % lanes]
        if state >= frequency << LOW_BITS:
            out.append(state & 0xFFFF)
            state >>= 16
        quotient, remainder = divmod(state, frequency)
        current[i % lanes] = (quotient << 16) + start + remainder
    states[:] = current
    words[: len(out)] = out
    escaped = int(escaping.sum())
    escapes[:escaped] = symbols[escaping][::-1]
    return len(out), escaped


def decode_reference(
    symbols: np.ndarray,
    table_ids: np.ndarray,
    tables: Tables,
    states: np.ndarray,
    words: np.ndarray,
    escapes: np.ndarray,
    cursor: np.ndarray,
) -> int:
    """What the kernel does: fill `symbols`, move `states` and `cursor` on; 0, or why it stopped."""
    if len(table_ids) and not 0 <= int(table_ids.min()) <= int(table_ids.max()) < len(tables):
        return 3
    rows = {table: tables.of(table).tolist() for table in np.unique(table_ids).tolist()}
    current, lanes, word_list = states.tolist(), len(states), words.tolist()
    index, word, escape, _ = cursor.tolist()
    for i, table in enumerate(table_ids.tolist()):
        row, state = rows[table], current[index % lanes]
        slot = state & 0xFFFF
        position = int(tables.buckets[table, slot >> 8])
        while row[position + 1] <= slot:
            position += 1
        state = (row[position + 1] - row[position]) * (state >> 16) + slot - row[position]
        if state < LOW:
            if word >= len(word_list):
                return 1
            state = state << 16 | word_list[word]
            word += 1
        current[index % lanes] = state
        index += 1
        if position < len(row) - 2:
            symbols[i] = int(tables.firsts[table]) + position
        elif escape < len(escapes):
            symbols[i] = escapes[escape]
            escape += 1
        else:
            return 2
    states[:] = current
    cursor[:3] = index, word, escape
    return 0


def _lanes_allowed(lanes: int) -> bool:
    return 1 <= lanes <= LANES_MOST and not lanes & (lanes - 1)


def _as_int32(values: np.ndarray) -> Int32[np.ndarray, " n"]:
    """Contiguous int32, refusing what does not fit."""
    if (
        values.dtype != np.int32
        and len(values)
        and not (-(2**31) <= int(values.min()) <= int(values.max()) < 2**31)
    ):
        raise InputError("a symbol or table id does not fit 32 bits")
    return np.ascontiguousarray(values, dtype=np.int32)
