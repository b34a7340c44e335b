"""Normalization of 8-bit matrices by L1 or L2: integer statistics, float32 maps.

A group is a row of x (layer normalization) or a column (batch normalization over samples and pixels). Its sum
is an integer; its deviation is the integer sum of |x - c| (L1), or of the square (L2), about c, the mean
rounded to an integer. What follows is a linear map of each group in float32, rounded to integers again. The
compiled kernel gives the same bits as NumPy.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int8, Int64

from vedette.errors import InputError
from vedette.numerics.pool import RESULTS
from vedette.numerics.product8 import kernel

SUMMED_AT_ONCE, MAPPED_AT_ONCE = 64, 512  # narrow matrices are folded to about this width
ROW_MOST = 1 << 16  # sums of squares of a row are kept in 32 bits


@dataclass(frozen=True)
class Statistics:
    """Of each group: the sum of x, its least and largest value, and the sum of deviations."""

    sums: Int64[np.ndarray, " groups"]
    least: Int8[np.ndarray, " groups"]
    most: Int8[np.ndarray, " groups"]
    deviations: Int64[np.ndarray, " groups"]
    count: int

    @property
    def means(self) -> Float32[np.ndarray, " groups"]:
        """The mean of each group."""
        return (self.sums / self.count).astype(np.float32)


def statistics(
    x: Int8[np.ndarray, "m n"], *, rows: bool, squared: bool = False, threads: int = 1
) -> Statistics:
    """Statistics of the rows, or of the columns.

    Args:
        squared: deviations are squared (L2), else absolute (L1).

    Raises:
        InputError: no values to a group, or rows of more than 65,536.

    >>> found = statistics(np.int8([[1, 2, 6]]), rows=True)
    >>> found.sums.tolist(), found.deviations.tolist()
    ([9], [6])
    """
    m, n = x.shape
    count, groups = (n, m) if rows else (m, n)
    if not count or (rows and n > ROW_MOST):
        raise InputError(f"groups of {count} values", hint=f"take 1 to {ROW_MOST:,}")
    module = kernel()
    if module is None:
        axis = 1 if rows else 0
        sums = x.sum(axis, dtype=np.int64)
        centers = np.rint(sums / count).astype(np.int64)
        away = x.astype(np.int64) - (centers[:, None] if rows else centers)
        deviations = (away**2 if squared else np.abs(away)).sum(axis)
        return Statistics(sums, x.min(axis), x.max(axis), deviations, count)
    fold = 1 if rows else _fold(m, n, SUMMED_AT_ONCE)
    folded = np.ascontiguousarray(x).reshape(m // fold, n * fold)
    size = groups * fold
    sums, least, most = np.empty(size, np.int64), np.empty(size, np.int8), np.empty(size, np.int8)
    sizes = np.array([*folded.shape, threads, rows, squared], np.int64)
    module.norm_sums(folded, sizes, sums, least, most)
    sums = _together(sums, fold)
    centers = np.rint(sums / count).astype(np.int8)
    deviations = np.empty(size, np.int64)
    module.norm_deviations(folded, sizes, np.tile(centers, fold), deviations)
    least, most = least.reshape(fold, -1).min(0), most.reshape(fold, -1).max(0)
    return Statistics(sums, least, most, _together(deviations, fold), count)


def apply(
    x: Int8[np.ndarray, "m n"],
    a: Float32[np.ndarray, " groups"],
    b: Float32[np.ndarray, " groups"],
    *,
    rows: bool,
    gain: Float32[np.ndarray, " others"] | None = None,
    offset: Float32[np.ndarray, " others"] | None = None,
    step: float | None = None,
    threads: int = 1,
) -> Int8[np.ndarray, "m n"] | Float32[np.ndarray, "m n"]:
    """x a + b of each group, then times `gain` plus `offset` of the other dimension, rounded to -127..127.

    Args:
        step: the result is floats, so many for an integer's worth; None: integers.

    >>> apply(np.int8([[1, 2, 6]]), np.float32([2]), np.float32([-6]), rows=True).tolist()
    [[-4, -2, 6]]
    """
    module = kernel()
    kind = np.int8 if step is None else np.float32
    if module is None:
        z = x.astype(np.float32) * (a[:, None] if rows else a) + (b[:, None] if rows else b)
        if gain is not None and offset is not None:
            z = z * (gain if rows else gain[:, None]) + (offset if rows else offset[:, None])
        z = np.clip(np.rint(z), -127, 127)
        return z.astype(np.int8) if step is None else z.astype(np.float32) * np.float32(step)
    m, n = x.shape
    fold = 1 if rows or gain is not None else _fold(m, n, MAPPED_AT_ONCE)
    folded = np.ascontiguousarray(x).reshape(m // fold, n * fold)
    none, no_integers = np.zeros(0, np.float32), np.zeros(0, np.int8)
    out = RESULTS.empty(x.shape, kind)
    module.norm_apply(
        folded,
        np.array([*folded.shape, threads, rows], np.int64),
        np.tile(a, fold),
        np.tile(b, fold),
        none if gain is None else gain,
        none if offset is None else offset,
        np.array([1 if step is None else step], np.float32),
        out if step is None else no_integers,
        none if step is None else out,
    )
    return out


def gradient_sums(
    g: Int8[np.ndarray, "m n"],
    x: Int8[np.ndarray, "m n"],
    means: Float32[np.ndarray, " groups"],
    *,
    rows: bool,
    threads: int = 1,
) -> tuple[Int64[np.ndarray, " groups"], Int64[np.ndarray, " groups"], Int64[np.ndarray, " groups"]]:
    """Of each group: the sums of g, of g x, and of the sign of x - mean.

    >>> ones = np.ones((1, 3), np.int8)
    >>> [s.tolist() for s in gradient_sums(ones, np.int8([[1, 2, 6]]), np.float32([3]), rows=True)]
    [[3], [9], [-1]]
    """
    module = kernel()
    if module is None:
        axis = 1 if rows else 0
        wide = x.astype(np.int64)
        signs = np.sign(x.astype(np.float32) - (means[:, None] if rows else means)).astype(np.int64)
        return g.sum(axis, dtype=np.int64), (g * wide).sum(axis), signs.sum(axis)
    fold = 1 if rows else _fold(x.shape[0], x.shape[1], MAPPED_AT_ONCE)
    shape = (x.shape[0] // fold, x.shape[1] * fold)
    found = [np.empty(len(means) * fold, np.int64) for _ in range(3)]
    module.norm_gradient_sums(
        np.ascontiguousarray(g).reshape(shape),
        np.ascontiguousarray(x).reshape(shape),
        np.array([*shape, threads, rows], np.int64),
        np.tile(means, fold),
        *found,
    )
    return _together(found[0], fold), _together(found[1], fold), _together(found[2], fold)


def gradient(
    g: Int8[np.ndarray, "m n"],
    x: Int8[np.ndarray, "m n"],
    means: Float32[np.ndarray, " groups"],
    p: Float32[np.ndarray, " groups"],
    q: Float32[np.ndarray, " groups"],
    r: Float32[np.ndarray, " groups"],
    *,
    rows: bool,
    linear: bool = False,
    threads: int = 1,
) -> Float32[np.ndarray, "m n"]:
    """g p + q + s r of each group, s being the sign of x - mean, or x itself where `linear`."""
    module = kernel()
    if module is None:
        m, a, b, c = ((v[:, None] if rows else v) for v in (means, p, q, r))
        wide = x.astype(np.float32)
        return g.astype(np.float32) * a + b + (wide if linear else np.sign(wide - m)) * c
    fold = 1 if rows else _fold(x.shape[0], x.shape[1], MAPPED_AT_ONCE)
    shape = (x.shape[0] // fold, x.shape[1] * fold)
    out = RESULTS.empty(x.shape, np.float32)
    module.norm_gradient(
        np.ascontiguousarray(g).reshape(shape),
        np.ascontiguousarray(x).reshape(shape),
        np.array([*shape, threads, rows, linear], np.int64),
        *(np.tile(v, fold) for v in (means, p, q, r)),
        out,
    )
    return out


def _fold(m: int, n: int, width: int) -> int:
    """How many rows of a narrow matrix are taken as one."""
    fold = 1
    while n and m % (2 * fold) == 0 and 2 * fold * n <= width:
        fold *= 2
    return fold


def _together(sums: Int64[np.ndarray, " n"], fold: int) -> Int64[np.ndarray, " groups"]:
    return sums.reshape(fold, -1).sum(0)
