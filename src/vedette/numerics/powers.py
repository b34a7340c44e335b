"""Powers of two at fractional exponents, by integer square roots: the same on every machine."""

from functools import cache
from math import isqrt

import numpy as np
from jaxtyping import Int64


@cache
def exp2_table(index_bits: int, frac_bits: int) -> Int64[np.ndarray, " n"]:
    """floor(2^(i / 2^index_bits) * 2^frac_bits) for i = 0 .. 2^index_bits - 1.

    The root is nested: floor(x^(1/2^k)) is k integer square roots one inside the other, exactly.

    >>> exp2_table(1, 8).tolist()
    [256, 362]
    """
    values = []
    for index in range(1 << index_bits):
        value = 1 << (index + (frac_bits << index_bits))
        for _ in range(index_bits):
            value = isqrt(value)
        values.append(value)
    return np.array(values, dtype=np.int64)
