"""Nonlinear functions by integer table: saturating look-up, and powers of two in fixed point."""

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError
from vedette.numerics.powers import exp2_table

EXP2_BITS = 30  # fractional bits of the tabulated mantissa


def lookup(
    x: Int64[np.ndarray, "*shape"], table: Int64[np.ndarray, " n"], *, first: int = 0
) -> Int64[np.ndarray, "*shape"]:
    """table[x - first]; beyond either end the end's entry.

    Raises:
        InputError: a table without entries.

    >>> lookup(np.array([-5, 0, 1, 9]), np.array([10, 20, 30]), first=-1).tolist()
    [10, 20, 30, 30]
    """
    if len(table) == 0:
        raise InputError("a table without entries")
    # Clip before subtracting: x - first could leave int64.
    entries: np.ndarray = table[np.clip(x, first, first + len(table) - 1) - first]
    return entries


def exp2(x: Int64[np.ndarray, "*shape"], *, in_frac: int, out_frac: int) -> Int64[np.ndarray, "*shape"]:
    """2^(x / 2^in_frac) with `out_frac` fractional bits, from a table of 30-bit mantissas.

    The exact floor of the true value while the result is below 2^31; above, low by less than 2^-30 of
    it. Never decreasing in x; saturates below 2^62.

    Args:
        in_frac: fractional bits of x, 0..12: the table has 2^in_frac entries.
        out_frac: fractional bits of the result, 0..30.

    Raises:
        InputError: a format outside these ranges.

    >>> exp2(np.array([0, 32, -64]), in_frac=6, out_frac=8).tolist()  # 1, sqrt 2, 1/2
    [256, 362, 128]
    """
    if not 0 <= in_frac <= 12 or not 0 <= out_frac <= EXP2_BITS:
        raise InputError(f"exp2 from {in_frac} to {out_frac} fractional bits", hint="use 0..12 and 0..30")
    x = np.clip(x, -64 << in_frac, ((62 - out_frac) << in_frac) - 1)
    mantissa = exp2_table(in_frac, EXP2_BITS)[x & ((1 << in_frac) - 1)]
    shift = (x >> in_frac) + (out_frac - EXP2_BITS)
    left, right = mantissa << np.maximum(shift, 0), mantissa >> np.clip(-shift, 0, 62)
    power: np.ndarray = np.where(shift >= 0, left, right)
    return power
