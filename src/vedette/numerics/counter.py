"""Random bits by counter: element i of seed s is a hash of both, the same in NumPy, torch and C++.

No state is carried, so that any element can be drawn by any thread in any order. The hash is a published
32-bit integer mixer (multiply and xor-shift; C. Wellons, "lowbias32").
"""

import numpy as np
from jaxtyping import Float32, UInt32

SEED_STEP = 0x9E3779B9  # 2^32 over the golden ratio: seeds that follow one another lie far apart


def bits(seed: int, count: int, *, first: int = 0) -> UInt32[np.ndarray, " count"]:
    """32 random bits for each element from `first` on.

    Args:
        seed: 0 to 2^32 - 1; each tensor that is rounded takes another one.
        first: index of the first element, below 2^32 as that of the last.

    >>> bits(1, 3).tolist() == bits(1, 4).tolist()[:3]
    True
    >>> bits(1, 2, first=2).tolist() == bits(1, 4).tolist()[2:]
    True
    """
    start = np.uint32((seed * SEED_STEP) & 0xFFFFFFFF)
    x = np.arange(first, first + count, dtype=np.uint64).astype(np.uint32)
    x = _mixed(x + start)
    return _mixed(x ^ np.uint32(seed & 0xFFFFFFFF))


def uniform(seed: int, count: int, *, first: int = 0) -> Float32[np.ndarray, " count"]:
    """Numbers in [0, 1), multiples of 2^-24: the upper 24 of the `bits`.

    >>> draws = uniform(7, 100_000)
    >>> bool(draws.min() >= 0) and bool(draws.max() < 1), round(float(draws.mean()), 2)
    (True, 0.5)
    """
    return (bits(seed, count, first=first) >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)


def _mixed(x: UInt32[np.ndarray, " n"]) -> UInt32[np.ndarray, " n"]:
    x = x ^ (x >> np.uint32(16))
    x = x * np.uint32(0x7FEB352D)
    x = x ^ (x >> np.uint32(15))
    x = x * np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))
