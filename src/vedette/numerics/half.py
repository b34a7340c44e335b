"""Sums of products of IEEE halves, rounded where a multiply-accumulate unit rounds them.

Every product and every sum is rounded to nearest, ties to even. A half's product and sum are exact or
rounded once in float32 (24 bits are at least twice 11 plus 2, so rounding again to a half is harmless),
which is how NumPy calculates them. What is not a number is the quiet NaN with an empty payload.

Without subnormals a subnormal operand counts as a zero of its sign, and so does a result that is still below
2^-14 after it was rounded to 11 bits, its exponent taken as unbounded: what FPGA makers' cores do.
"""

import numpy as np
from jaxtyping import Bool, Float16, Float32

Halves = Float16[np.ndarray, "*shape"]
Reals = Float16[np.ndarray, "*shape"] | Float32[np.ndarray, "*shape"]


def multiply(x: Halves, y: Halves, *, wide: bool = False, subnormals: bool = False) -> Reals:
    """x y as halves, or, wide, in float32, where it is exact.

    >>> multiply(np.float16([3, 2.0**-8]), np.float16([0.5, 2.0**-8])).tolist()
    [1.5, 0.0]
    """
    with np.errstate(all="ignore"):
        if wide:
            left, right = (v if subnormals else flushed(v) for v in (x, y))
            return _one_nan(left.astype(np.float32) * right.astype(np.float32))
        if subnormals:
            return _one_nan(x * y)
        exact = flushed(x).astype(np.float64) * flushed(y).astype(np.float64)
        mantissa, exponent = np.frexp(exact)
        rounded = np.ldexp(np.rint(np.ldexp(mantissa, 11)), exponent - 11)
        tiny = np.abs(rounded) < np.finfo(np.float16).tiny
        return _one_nan(np.where(tiny, np.copysign(0, rounded), rounded).astype(np.float16))


def add(x: Reals, y: Reals, *, subnormals: bool = False) -> Reals:
    """x + y, in the type of both.

    >>> add(np.float16([2048, 65504]), np.float16([1, 16])).tolist()
    [2048.0, inf]
    """
    with np.errstate(all="ignore"):
        return _one_nan(x + y if subnormals else flushed(flushed(x) + flushed(y)))


def running_sums(
    a: Float16[np.ndarray, "cycles lanes"],
    b: Float16[np.ndarray, "cycles lanes"],
    first: Bool[np.ndarray, " cycles"],
    *,
    wide: bool = False,
    subnormals: bool = False,
) -> Float16[np.ndarray, " cycles"] | Float32[np.ndarray, " cycles"]:
    """What stands in the accumulator after each cycle: a tree of neighbors, then the accumulator plus it.

    Args:
        first: where a sum begins: the accumulator takes what the tree gives.
        wide: sums in float32.

    >>> ones = np.ones((3, 3), np.float16)
    >>> running_sums(ones, ones, np.array([True, False, True])).tolist()
    [3.0, 6.0, 3.0]
    """
    terms = multiply(a, b, wide=wide, subnormals=subnormals)
    while terms.shape[1] > 1:
        even = terms.shape[1] // 2 * 2
        pairs = add(terms[:, :even:2], terms[:, 1:even:2], subnormals=subnormals)
        terms = np.concatenate([pairs, terms[:, even:]], axis=1)
    found = terms[:, 0].copy()
    for cycle in np.flatnonzero(~first[1:]) + 1:
        found[cycle] = add(found[cycle - 1 : cycle], found[cycle : cycle + 1], subnormals=subnormals)[0]
    return found


def flushed(x: Reals) -> Reals:
    """Subnormals as zeros of their sign.

    >>> flushed(np.float16([2.0**-14, -(2.0**-15)])).tolist()
    [6.103515625e-05, -0.0]
    """
    return np.where(np.abs(x) < np.finfo(x.dtype).tiny, np.copysign(x.dtype.type(0), x), x)


def _one_nan(x: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(x), x.dtype.type(np.nan), x)
