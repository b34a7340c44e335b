"""Matrices of floats to integers of 2 to 8 bits: the NumPy reference and the compiled kernel.

One pass finds the ranges of rows and columns, another scales, rounds and shifts. A value is
x * columns[n] * inverse[m], in float32 and this order, rounded (`numerics.symmetric`), clamped to -q..q and
shifted left. Integers of 4 bits are kept two to a byte.
"""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, UInt8

from vedette.errors import InputError
from vedette.numerics import symmetric
from vedette.numerics.pool import RESULTS
from vedette.numerics.product8 import kernel

_NONE = np.zeros(0, np.float32)
_NO_SHIFTS = np.zeros(0, np.int8)


def ranges(
    x: Float32[np.ndarray, "m n"],
    *,
    rows: bool = True,
    columns: bool = True,
    column_factors: Float32[np.ndarray, " n"] | None = None,
    row_factors: Float32[np.ndarray, " m"] | None = None,
    threads: int = 1,
) -> tuple[Float32[np.ndarray, " _"], Float32[np.ndarray, " _"]]:
    """The largest magnitude of each row and of each column; empty where not asked for.

    A NaN or an infinity is found as a range that is not finite.

    Args:
        column_factors: each column is multiplied by one before the largest of the rows are found.
        row_factors: each row, before those of the columns.

    >>> [found.tolist() for found in ranges(np.float32([[1, -3], [2, 0]]))]
    [[3.0, 2.0], [2.0, 3.0]]
    """
    module = kernel()
    if module is None or not x.size:
        by_column = x if column_factors is None else x * column_factors
        by_row = x if row_factors is None else x * row_factors[:, None]
        return (
            np.abs(by_column).max(1, initial=0) if rows else _NONE,
            np.abs(by_row).max(0, initial=0) if columns else _NONE,
        )
    of_rows = np.empty(x.shape[0] if rows else 0, np.float32)
    of_columns = np.empty(x.shape[1] if columns else 0, np.float32)
    module.ranges(
        np.ascontiguousarray(x),
        np.array([*x.shape, threads], np.int64),
        _NONE if column_factors is None else column_factors,
        _NONE if row_factors is None else row_factors,
        of_rows,
        of_columns,
    )
    return of_rows, of_columns


def quantize(
    x: Float32[np.ndarray, "m n"],
    inverse: Float32[np.ndarray, " m"] | Float32[np.ndarray, " 1"],
    *,
    bits: int,
    columns: Float32[np.ndarray, " n"] | None = None,
    column_shifts: Int8[np.ndarray, " n"] | None = None,
    row_shifts: Int8[np.ndarray, " m"] | None = None,
    seed: int | None = None,
    threads: int = 1,
) -> Int8[np.ndarray, "m n"]:
    """x as integers of `bits` bits, shifted left.

    Args:
        inverse: a factor for each row, or one for all.
        columns: a factor for each column, applied before.
        column_shifts, row_shifts: not both; a shifted value must fit 8 bits.
        seed: of stochastic rounding; None rounds to nearest, ties to even.

    Raises:
        InputError: a shift too large for 8 bits.

    >>> quantize(np.float32([[0.4, -1]]), np.float32([7]), bits=4, column_shifts=np.int8([0, 1])).tolist()
    [[3, -14]]
    """
    q = symmetric.magnitude(bits)
    shifts = column_shifts if column_shifts is not None else row_shifts
    if shifts is not None and shifts.size and not 0 <= int(shifts.min()) <= int(shifts.max()) <= 8 - bits:
        raise InputError(
            f"{bits} bits shifted by up to {int(shifts.max())}", hint="take fewer groups, or do not shift"
        )
    module = kernel()
    if module is None:
        scaled = x if columns is None else x * columns
        factor = inverse[:, None] if len(inverse) > 1 else inverse[0]
        if seed is None:
            found = symmetric.nearest(scaled, factor, bits)
        else:
            found = symmetric.stochastic(scaled, factor, bits, seed=seed)
        if shifts is not None:
            found <<= shifts if column_shifts is not None else shifts[:, None]
        return found
    out = RESULTS.empty(x.shape, np.int8)
    _quantize(module, x, inverse, columns, column_shifts, row_shifts, q, seed, threads, out)
    return out


def clip_errors(
    x: Float32[np.ndarray, " n"], steps: Float32[np.ndarray, " k"], *, q: int
) -> Float32[np.ndarray, " k"]:
    """The squared error of x, rounded to at most q multiples of a step either way, for each step.

    >>> clip_errors(np.float32([1, 3] * 8), np.float32([1, 3]), q=1).tolist()
    [32.0, 8.0]
    """
    module = kernel()
    x = np.ascontiguousarray(x[: len(x) // 16 * 16])
    if module is None:
        parts = np.clip(np.rint(x / steps[:, None]), -q, q) * steps[:, None] - x
        lanes = (parts * parts).reshape(len(steps), -1, 16)
        sums = np.zeros((len(steps), 16), np.float32)
        for row in range(lanes.shape[1]):
            sums += lanes[:, row]
        found = np.zeros(len(steps), np.float32)
        for lane in range(16):
            found += sums[:, lane]
        return found
    errors = np.empty(len(steps), np.float32)
    module.clip_errors(x, steps, np.array([q]), errors)
    return errors


def pack4(x: Int8[np.ndarray, "*shape"]) -> UInt8[np.ndarray, " bytes"]:
    """Values -8..7 two to a byte: value i below value i + half of the flattened array.

    >>> pack4(np.int8([1, 2, -1])).tolist()
    [241, 2]
    """
    module = kernel()
    flat = np.ascontiguousarray(x).reshape(-1)
    half = (flat.size + 1) // 2
    if module is None:
        low, high = flat[:half] & 15, np.zeros(half, np.int8)
        high[: flat.size - half] = flat[half:]
        return (low.view(np.uint8) | (high.view(np.uint8) << 4)).astype(np.uint8)
    out = RESULTS.empty((half,), np.uint8)
    module.pack4(flat, out)
    return out


def unpack4(packed: UInt8[np.ndarray, " bytes"], count: int) -> Int8[np.ndarray, " count"]:
    """The first `count` values of what `pack4` made.

    >>> unpack4(pack4(np.int8([1, 2, -1])), 3).tolist()
    [1, 2, -1]
    """
    if len(packed) != (count + 1) // 2:
        raise InputError(
            f"{len(packed)} bytes for {count} values of 4 bits", hint=f"{(count + 1) // 2} bytes are needed"
        )
    module = kernel()
    if module is None:
        both = packed.view(np.int8)
        return np.concatenate([(both << 4) >> 4, both >> 4])[:count].astype(np.int8)
    out = RESULTS.empty((count,), np.int8)
    module.unpack4(np.ascontiguousarray(packed), out)
    return out


def _quantize(
    module: Any,
    x: np.ndarray,
    inverse: np.ndarray,
    columns: np.ndarray | None,
    column_shifts: np.ndarray | None,
    row_shifts: np.ndarray | None,
    q: int,
    seed: int | None,
    threads: int,
    out: np.ndarray,
) -> None:
    module.quantize8(
        np.ascontiguousarray(x),
        np.array([*x.shape, q, threads, -1 if seed is None else seed & 0xFFFFFFFF], np.int64),
        _NONE if columns is None else columns,
        inverse,
        _NO_SHIFTS if column_shifts is None else column_shifts,
        _NO_SHIFTS if row_shifts is None else row_shifts,
        out,
    )
