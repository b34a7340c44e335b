"""Memory for results that is used again: fresh pages cost as much as filling them does.

An array that the pool gave is free again when nothing refers to it any more, a tensor made of it included.
"""

import math
import sys
import threading

import numpy as np

LEAST_BYTES = 1 << 16  # smaller arrays are cheap
MOST_BYTES = 1 << 29  # kept in all; what is older goes first
SLACK = 1.25  # an array may lie in memory so many times as large


class Pool:
    """Arrays whose memory is kept.

    >>> pool = Pool()
    >>> first = pool.empty((256, 256), np.float32)
    >>> address = first.ctypes.data
    >>> del first
    >>> pool.empty((500, 500), np.int8).ctypes.data == address
    True
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[np.ndarray] = []

    def empty(self, shape: tuple[int, ...], dtype: type[np.generic]) -> np.ndarray:
        """An array with whatever was in its memory."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size < LEAST_BYTES:
            return np.empty(shape, dtype)
        with self._lock:
            # free: referred to by the list, the loop and the count itself
            free = (b for b in self._kept if size <= b.nbytes <= SLACK * size and sys.getrefcount(b) == 3)
            base = next(free, None)
            if base is None:
                base = np.empty(size, np.uint8)
                self._kept.append(base)
                while sum(b.nbytes for b in self._kept) > MOST_BYTES and len(self._kept) > 1:
                    self._kept.pop(0)
            return base[:size].view(dtype).reshape(shape)


RESULTS = Pool()
