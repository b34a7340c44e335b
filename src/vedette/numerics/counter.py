"""Random bits by counter: draw i of seed s is a hash of both, the same in NumPy and C++.

No state is carried, so that any draw can be made by any thread in any order. The hash is a published
32-bit integer mixer (multiply and xor-shift; C. Wellons, "lowbias32").
"""

import numpy as np
from jaxtyping import Float32, Int64, UInt32

SEED_STEP = 0x9E3779B9  # 2^32 over the golden ratio: seeds that follow one another lie far apart
HALF = 512


def bits(seed: int, counter: Int64[np.ndarray, "*shape"]) -> UInt32[np.ndarray, "*shape"]:
    """32 random bits for each counter.

    Args:
        seed: 0 to 2^32 - 1; each tensor that is rounded takes another one.
        counter: taken modulo 2^32.

    >>> bits(1, np.arange(3)).tolist() == bits(1, np.arange(4)).tolist()[:3]
    True
    """
    start = np.uint32((seed * SEED_STEP) & 0xFFFFFFFF)
    x = (counter & 0xFFFFFFFF).astype(np.uint32) + start
    return _mixed(_mixed(x) ^ np.uint32(seed & 0xFFFFFFFF))


def uniform(seed: int, rows: int, columns: int) -> Float32[np.ndarray, "rows columns"]:
    """Numbers in [0, 1), multiples of 2^-16, for a matrix, row by row.

    512 elements take the low 16 bits of as many draws, and the next 512 the high bits.

    >>> draws = uniform(7, 100, 1000)
    >>> bool(draws.min() >= 0) and bool(draws.max() < 1), round(float(draws.mean()), 2)
    (True, 0.5)
    """
    size = rows * columns
    drawn = bits(seed, np.arange(-(-size // (2 * HALF)) * HALF)).reshape(-1, HALF)
    both = np.stack([drawn & np.uint32(0xFFFF), drawn >> np.uint32(16)], axis=1).reshape(-1)[:size]
    return both.reshape(rows, columns).astype(np.float32) * np.float32(2.0**-16)


def _mixed(x: UInt32[np.ndarray, "*shape"]) -> UInt32[np.ndarray, "*shape"]:
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))
