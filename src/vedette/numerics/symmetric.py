"""Symmetric quantizers of 2 to 8 bits, without a zero point: nearest-even and stochastic rounding.

q = 2^(bits - 1) - 1 is the largest magnitude. All arithmetic is float32, operation by operation, so that
every implementation gives the same integers.
"""

import numpy as np
from jaxtyping import Float32, Int8

from vedette.errors import InputError
from vedette.numerics import counter

BITS = range(2, 9)


def magnitude(bits: int) -> int:
    """q, the largest magnitude of so many bits.

    Raises:
        InputError: other than 2 to 8 bits.

    >>> [magnitude(bits) for bits in (4, 6, 8)]
    [7, 31, 127]
    """
    if bits not in BITS:
        raise InputError(f"{bits} bits", hint=f"take {BITS[0]} to {BITS[-1]} bits")
    return (1 << (bits - 1)) - 1


def nearest(
    x: Float32[np.ndarray, "*shape"], inverse_step: Float32[np.ndarray, "..."] | np.float32, bits: int
) -> Int8[np.ndarray, "*shape"]:
    """x times `inverse_step`, rounded to the nearest integer, ties to even, clamped to -q..q.

    >>> nearest(np.float32([0.5, 1.5, -2.6, 99]), np.float32(1), 4).tolist()
    [0, 2, -3, 7]
    """
    q = magnitude(bits)
    return np.clip(np.rint(x * np.float32(inverse_step)), -q, q).astype(np.int8)


def stochastic(
    x: Float32[np.ndarray, "*shape"],
    inverse_step: Float32[np.ndarray, "..."] | np.float32,
    bits: int,
    *,
    seed: int,
) -> Int8[np.ndarray, "*shape"]:
    """x times `inverse_step`, rounded up with the probability of its fraction: right on average.

    x is taken as rows of its last dimension; an element is rounded up where its draw of `counter.uniform`
    lies below its fraction. Unbiased to 2^-16 of a step where nothing is clamped, that is, where the step
    comes from the largest magnitude.

    >>> many = stochastic(np.full(100_000, 0.25, np.float32), np.float32(1), 4, seed=3)
    >>> sorted(set(many.tolist())), round(float(many.mean()), 2)
    ([0, 1], 0.25)
    """
    q = magnitude(bits)
    scaled = x * np.float32(inverse_step)
    floor = np.floor(scaled)  # its difference to `scaled` is exact
    columns = x.shape[-1] if x.ndim else 1
    draws = counter.uniform(seed, x.size // max(columns, 1), columns).reshape(x.shape)
    up = draws < scaled - floor
    return np.clip(floor + up, -q, q).astype(np.int8)


def stochastic_variance(x: Float32[np.ndarray, "*shape"], step: np.ndarray | np.float32) -> np.ndarray:
    """Variance that stochastic rounding adds to each value: step^2 f (1 - f), f the fraction of x / step.

    >>> stochastic_variance(np.float32([0.5, 1.0]), np.float32(1)).tolist()
    [0.25, 0.0]
    """
    step = np.where(np.asarray(step) > 0, step, 1).astype(np.float64)
    scaled = x.astype(np.float64) / step
    fraction = scaled - np.floor(scaled)
    return step**2 * fraction * (1 - fraction)
