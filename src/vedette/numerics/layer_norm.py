"""Layer norm in integers: rounded mean, sum of squares, reciprocal root by table; bit-true in int64."""

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError
from vedette.numerics.integer import largest
from vedette.numerics.scaling import Scale, Stepped, rescale


def layer_norm(
    x: Int64[np.ndarray, "*t c"],
    *,
    gamma: Int64[np.ndarray, " c"],
    beta: Int64[np.ndarray, " c"],
    mean: Scale,
    rsqrt: Stepped,
    shift: int,
    bits: int,
) -> Int64[np.ndarray, "*t c"]:
    """Each row less its mean, times the root's reciprocal and gamma, plus beta; saturated to signed `bits`.

    mean = rescale(sum of the row); d = x - mean; r = rsqrt(sum of d * d), which is not divided by c;
    y = clip((d * r * gamma + beta) >> shift). The last shift takes the floor: `beta` holds any rounding.

    Args:
        mean: about 1 / c.

    Raises:
        InputError: a product that could leave int64.

    >>> row = np.array([[0, 4, 8, 12]])
    >>> one = np.ones(4, dtype=np.int64)
    >>> table = Stepped(np.array([2]), offset=0, shift=0)
    >>> layer_norm(row, gamma=one, beta=0 * one, mean=Scale(1, 2), rsqrt=table, shift=2, bits=4).tolist()
    [[-3, -1, 1, 3]]
    """
    apart = x - rescale(x.sum(axis=-1, keepdims=True), mean)
    if x.shape[-1] * largest(apart) ** 2 >= 2**63:
        raise InputError("a sum of squares could exceed 63 bits", hint="requantize the stream first")
    root = rsqrt((apart * apart).sum(axis=-1, keepdims=True))
    if largest(apart) * largest(rsqrt.table) * largest(gamma) + largest(beta) >= 2**63:
        raise InputError("a product could exceed 63 bits", hint="use narrower gamma or table entries")
    limit = 1 << (bits - 1)
    clipped: np.ndarray = np.clip((apart * root * gamma + beta) >> shift, -limit, limit - 1)
    return clipped
