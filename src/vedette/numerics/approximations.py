"""HeatViT's nonlinear functions (arXiv 2211.08110), in floats as its equations have them, and in integers.

    GELU(x) = x/2 * (1 + erf(x / sqrt 2)),  erf(u) ~ sign(u) * d1 * (a * (min(|u|, -b) + b)^2 + 1)  (11, 12)
    exp(x) ~ (0.3585 * (p + 1.353)^2 + 0.344) >> z,  x = p - z ln 2, p in (-ln 2, 0]                (13, 14)
    sigmoid(x) ~ straight lines with powers of two as slopes (PLAN)

d1 and d2 (a factor on softmax) are 0.5 in the paper: below 1 they shrink derivatives, and with them
quantization errors. They also change the functions: GELU tends to 0.75 x and 0.25 x instead of x and 0.
So a network must be trained with them; put into a trained one they destroy it (specification A6). The
defaults here are 1.

Integer forms take and give numbers with `frac` fractional bits; products are rounded to the nearest, ties
upward, as in `vedette.numerics.scaling.rescale`, and constants have 14 fractional bits. That they are in
integers, and these widths, are PROPOSED: the paper gives the equations.
"""

import math

import numpy as np
from jaxtyping import Float, Int64

from vedette.errors import InputError
from vedette.numerics.fixed import shift_round
from vedette.numerics.integer import largest

A, B = -0.2888, -1.769  # of the error function
EXP = (0.3585, 1.353, 0.344)
CONSTANT_FRAC = 14  # fractional bits of constants
FRAC_MOST = 14  # of inputs
SIZE_MOST = 1 << 30  # of inputs
GUARD = 8  # fractional bits beyond the input's that squares keep
EXP_STEPS = 62  # halvings after which nothing is left
RECIPROCAL = 10  # fractional bits of a softmax row's reciprocal


def gelu(x: Float[np.ndarray, "*n"], delta: float = 1.0) -> Float[np.ndarray, "*n"]:
    """Equation (11) with (12) for erf; `delta` is d1.

    >>> gelu(np.array([-8.0, 0.0, 8.0])).tolist(), gelu(np.array([-8.0, 8.0]), 0.5).tolist()
    ([-0.0, 0.0, 8.0], [-2.0, 6.0])
    """
    u = np.abs(x) / math.sqrt(2)
    error_function = np.sign(x) * delta * (A * (np.minimum(u, -B) + B) ** 2 + 1)
    return x / 2 * (1 + error_function)


def exp(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Equations (13) and (14), for x of 0 and below; at 0 it is 1.0003."""
    z = np.floor(-x / math.log(2))
    p = x + z * math.log(2)
    return (EXP[0] * (p + EXP[1]) ** 2 + EXP[2]) * 2.0**-z


def softmax(x: Float[np.ndarray, "*t n"], delta: float = 1.0) -> Float[np.ndarray, "*t n"]:
    """Rows of `exp`, by their sum, times `delta` (d2)."""
    powers = exp(x - x.max(axis=-1, keepdims=True))
    return delta * powers / powers.sum(axis=-1, keepdims=True)


def sigmoid(x: Float[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """PLAN: within 0.0189 of the sigmoid. At 2.375 it steps down by 0.004.

    >>> sigmoid(np.array([-6.0, 0.0, 1.0, 2.375])).tolist()
    [0.0, 0.5, 0.75, 0.91796875]
    """
    size = np.abs(x)
    upper = np.select(
        [size >= 5, size >= 2.375, size >= 1], [1.0, size / 32 + 27 / 32, size / 8 + 5 / 8], size / 4 + 0.5
    )
    return np.where(x < 0, 1 - upper, upper)


def gelu_integer(x: Int64[np.ndarray, "*n"], *, frac: int, delta: float = 1.0) -> Int64[np.ndarray, "*n"]:
    """`gelu` in integers: within 2 units of `gelu` rounded.

    Raises:
        InputError: more than 14 fractional bits, numbers from 2^30, a delta not above 0 or above 1.

    >>> gelu_integer(np.array([-256, 0, 64, 256]), frac=6).tolist()
    [0, 0, 54, 256]
    """
    _check(x, frac)
    _check_delta(delta)
    inner = frac + GUARD
    size = shift_round(np.abs(x) * _constant(1 / math.sqrt(2)), CONSTANT_FRAC - GUARD)
    edge = round(-B * 2**inner)
    apart = np.minimum(size, edge) - edge
    square = shift_round(apart * apart, inner)  # inner bits again
    curve = shift_round(square * _constant(A), CONSTANT_FRAC) + (1 << inner)
    weight = np.sign(x) * shift_round(curve * _constant(delta), CONSTANT_FRAC) + (1 << inner)
    return shift_round(x * weight, inner + 1)


def exp_integer(x: Int64[np.ndarray, "*n"], *, frac: int, out_frac: int = 15) -> Int64[np.ndarray, "*n"]:
    """`exp` in integers, x of 0 and below, to `out_frac` fractional bits.

    Raises:
        InputError: a number above 0, more than 14 fractional bits, or more than 15 of the result.

    >>> exp_integer(np.array([0, -64, -640]), frac=6).tolist()  # 1, 1/e, e^-10
    [32778, 12065, 1]
    """
    _check(x, frac)
    if x.size and x.max() > 0:
        raise InputError(f"the exponential of {x.max()}", hint="subtract the maximum first")
    if not 0 <= out_frac <= 15:
        raise InputError(f"{out_frac} fractional bits of the result", hint="use 0 to 15")
    inner = frac + GUARD
    ln2 = round(math.log(2) * 2**inner)
    fine = x << GUARD
    z = -fine // ln2
    p = fine + z * ln2 + round(EXP[1] * 2**inner)
    square = shift_round(p * p, inner)
    mantissa = shift_round(square * _constant(EXP[0]), CONSTANT_FRAC) + round(EXP[2] * 2**inner)
    scaled = mantissa << max(0, out_frac - inner) if out_frac > inner else mantissa
    drop = np.minimum(z, EXP_STEPS - max(0, inner - out_frac))
    return scaled >> (drop + max(0, inner - out_frac))


def softmax_integer(
    x: Int64[np.ndarray, "*t n"], *, frac: int, bits: int = 8, delta: float = 1.0
) -> Int64[np.ndarray, "*t n"]:
    """`softmax` in integers: unsigned, 2^bits - 1 stands for 1; one reciprocal a row, floors.

    With e of `exp_integer`: r = floor(round(delta (2^bits - 1) 2^14) 2^10 / sum(e)), y = e r >> 24. A row's
    largest e is about 2^15, so that r has 17 bits at 8 bits of the result, and e r / 2^24 is less than 2^-8
    below the exact quotient: its floor comes out, or rarely one less.

    Raises:
        InputError: more than 16 bits of the result, a delta not above 0 or above 1.

    >>> softmax_integer(np.array([[0, 0], [0, -640]]), frac=6).tolist()
    [[127, 127], [254, 0]]
    """
    if not 1 <= bits <= 16:
        raise InputError(f"{bits} bits of the result", hint="use 1 to 16")
    _check_delta(delta)
    powers = exp_integer(x - x.max(axis=-1, keepdims=True), frac=frac)
    peak = round(delta * (2**bits - 1) * 2**CONSTANT_FRAC)
    reciprocal = (peak << RECIPROCAL) // powers.sum(axis=-1, keepdims=True)
    return (powers * reciprocal) >> (CONSTANT_FRAC + RECIPROCAL)


def sigmoid_integer(x: Int64[np.ndarray, "*n"], *, frac: int) -> Int64[np.ndarray, "*n"]:
    """`sigmoid` in integers, shifts and sums alone; 2^frac stands for 1. Needs at least 5 fractional bits.

    Raises:
        InputError: fewer than 5 fractional bits, which the constants need, or more than 14.

    >>> sigmoid_integer(np.array([-512, -1, 0, 64, 320]), frac=6).tolist()
    [0, 32, 32, 48, 64]
    """
    _check(x, frac)
    if frac < 5:
        raise InputError(f"{frac} fractional bits", hint="at least 5 are needed for constants of 1/32")
    one, size = 1 << frac, np.abs(x)
    upper = np.select(
        [size >= 5 * one, size >= 19 * one // 8, size >= one],
        [np.full_like(size, one), (size >> 5) + 27 * one // 32, (size >> 3) + 5 * one // 8],
        (size >> 2) + one // 2,
    )
    return np.where(x < 0, one - upper, upper)


def _check_delta(delta: float) -> None:
    if not 0 < delta <= 1:
        raise InputError(f"a delta of {delta}", hint="above 0, up to 1")


def _constant(value: float) -> int:
    return round(value * 2**CONSTANT_FRAC)


def _check(x: np.ndarray, frac: int) -> None:
    if not 0 <= frac <= FRAC_MOST or largest(x) >= SIZE_MOST:
        raise InputError(
            f"{frac} fractional bits and numbers up to {largest(x)}",
            hint=f"up to {FRAC_MOST} bits, and numbers below 2^30, are taken",
        )
