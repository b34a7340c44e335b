"""Layer norm in integers without a table: a reciprocal root by Newton's steps; bit-true in int64.

PROPOSED: HeatViT leaves layer norm to the processor beside its accelerator.
"""

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError
from vedette.numerics.integer import largest
from vedette.numerics.scaling import Scale, rescale

STEPS = 3
ONE = 16  # fractional bits of a root, and of a normalized value
FIRST = 70779  # 1.08 with them: 1.08 - 0.15625 w is within 9 % of 1 / sqrt(w), from 1 to 4


def reciprocal_root(n: Int64[np.ndarray, "*s"]) -> tuple[Int64[np.ndarray, "*s"], Int64[np.ndarray, "*s"]]:
    """root and drop, so that root / 2^drop is about 2^16 / sqrt(n); 0 counts as 1.

    n is brought to v, 15 or 16 bits, by an even number of places: v = floor(n 2^14 / 4^drop), which stands
    for w from 1 to 4. Then r = 70779 - (v >> 1) - (v >> 3), and three times
    r = (r (3 2^16 - (v (r r >> 16) >> 14))) >> 17. The relative error is below 2^-14.

    Raises:
        InputError: a number below 0, or from 2^48.

    >>> root, drop = reciprocal_root(np.array([1, 100, 10**9]))
    >>> [round(v) for v in root / 2**drop], (65536 / np.sqrt([1, 100, 10**9])).round().tolist()
    ([65535, 6554, 2], [65536.0, 6554.0, 2.0])
    """
    if n.size and (n.min() < 0 or n.max() >= 1 << 48):
        raise InputError(f"roots of {n.min()} to {n.max()}", hint="from 0 up, below 2^48")
    drop = np.zeros_like(n)
    for place in range(1, 24):
        drop += n >= 1 << (2 * place)
    v = (np.maximum(n, 1) << 14) >> (2 * drop)
    root = FIRST - (v >> 1) - (v >> 3)
    for _ in range(STEPS):
        product = (v * ((root * root) >> ONE)) >> 14
        root = (root * ((3 << ONE) - product)) >> (ONE + 1)
    return root, drop


def layer_norm_newton(
    x: Int64[np.ndarray, "*t c"],
    *,
    gamma: Int64[np.ndarray, " c"],
    beta: Int64[np.ndarray, " c"],
    mean: Scale,
    shift: int,
    bits: int,
) -> Int64[np.ndarray, "*t c"]:
    """Each row less its mean, by the root of its sum of squares, times gamma, plus beta; signed `bits`.

    mean = rescale(sum of the row); d = x - mean; t = rescale(d root, drop) is about 2^16 d / sqrt(sum of
    d d), whatever the row's size; y = clip((t gamma + beta) >> shift). gamma holds the root of c, beta any
    rounding.

    Args:
        mean: about 1 / c.

    Raises:
        InputError: a sum of squares from 2^48, or a product that could leave int64.

    >>> row, ones = np.array([[0, 4, 8, 12]]), np.ones(4, dtype=np.int64)
    >>> layer_norm_newton(row, gamma=100 * ones, beta=0 * ones, mean=Scale(1, 2), shift=16, bits=8).tolist()
    [[-68, -23, 22, 67]]
    """
    apart = x - rescale(x.sum(axis=-1, keepdims=True), mean)
    if x.shape[-1] * largest(apart) ** 2 >= 1 << 48:
        raise InputError("a sum of squares could exceed 48 bits", hint="requantize the stream first")
    root, drop = reciprocal_root((apart * apart).sum(axis=-1, keepdims=True))
    unit = (apart * root + ((1 << drop) >> 1)) >> drop
    if largest(unit) * largest(gamma) + largest(beta) >= 2**63:
        raise InputError("a product could exceed 63 bits", hint="use narrower gamma or beta")
    limit = 1 << (bits - 1)
    clipped: np.ndarray = np.clip((unit * gamma + beta) >> shift, -limit, limit - 1)
    return clipped
