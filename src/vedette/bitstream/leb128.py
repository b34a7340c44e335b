"""Numbers of variable length (LEB128): seven bits a byte, least first; the last has its high bit clear."""

import numpy as np
from jaxtyping import Int32, UInt64

from vedette.errors import CorruptProductError

BYTES_MOST = 9  # of one number: 63 bits
_ESCAPE_BYTES = 5  # of a zigzag number: 35 bits, of which 32 may be used


def put_number(value: int) -> bytes:
    """The bytes of a number, 0..2^63 - 1.

    >>> put_number(300).hex()
    'ac02'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def take_number(data: bytes, at: int) -> tuple[int, int]:
    """(the number that begins at `at`, where it ends).

    Raises:
        CorruptProductError: the data ends inside it, or it is longer than 9 bytes.

    >>> take_number(bytes.fromhex("ac02"), 0)
    (300, 2)
    """
    value = 0
    for place, byte in enumerate(data[at : at + BYTES_MOST]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise CorruptProductError("a number of variable length does not end")


def to_zigzag(values: Int32[np.ndarray, " n"]) -> UInt64[np.ndarray, " n"]:
    """0, -1, 1, -2 ... as 0, 1, 2, 3 ...

    >>> to_zigzag(np.array([0, -1, 1, -2], dtype=np.int32)).tolist()
    [0, 1, 2, 3]
    """
    wide = values.astype(np.int64)
    return np.where(wide < 0, -2 * wide - 1, 2 * wide).astype(np.uint64)


def from_zigzag(values: UInt64[np.ndarray, " n"]) -> Int32[np.ndarray, " n"]:
    """The inverse of `to_zigzag`; a CorruptProductError where the result does not fit 32 bits."""
    if len(values) and int(values.max()) >= 1 << 32:
        raise CorruptProductError("an escaped value does not fit 32 bits")
    wide = values.astype(np.int64)
    return np.where(wide & 1, -((wide + 1) >> 1), wide >> 1).astype(np.int32)


def write_numbers(values: UInt64[np.ndarray, " n"]) -> bytes:
    """Many numbers below 2^35, one after the other.

    >>> write_numbers(np.array([1, 300], dtype=np.uint64)).hex()
    '01ac02'
    """
    shifts = 7 * np.arange(_ESCAPE_BYTES, dtype=np.uint64)
    rest = values[:, None] >> shifts
    more = rest > 0x7F
    digits = (rest & np.uint64(0x7F)).astype(np.uint8) | (more.astype(np.uint8) << 7)
    written = np.ones(more.shape, dtype=bool)
    written[:, 1:] = more[:, :-1]
    return digits[written].tobytes()


def read_numbers(data: bytes, at: int, count: int) -> tuple[UInt64[np.ndarray, " n"], int]:
    """(`count` numbers below 2^35 from `at` on, where they end).

    Raises:
        CorruptProductError: the data ends first, or a number is longer than 5 bytes.
    """
    if count > len(data) - at:
        raise CorruptProductError("a stream promises more escapes than it has bytes")
    digits = np.frombuffer(data[at : at + _ESCAPE_BYTES * count], dtype=np.uint8)
    ends = np.flatnonzero(digits < 0x80)[:count] + 1
    begins = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: len(ends)]
    if len(ends) < count or (ends - begins > _ESCAPE_BYTES).any():
        raise CorruptProductError("a number of variable length does not end")
    values = np.zeros(count, dtype=np.uint64)
    for place in range(_ESCAPE_BYTES):
        here = begins + place < ends
        digit = digits[begins[here] + place].astype(np.uint64) & np.uint64(0x7F)
        values[here] |= digit << np.uint64(7 * place)
    return values, at + (int(ends[-1]) if count else 0)
