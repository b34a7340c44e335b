"""Fixed-point formats: how many bits, where the point is, and how a value gets in (half up, saturated)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from vedette.errors import InputError

Shift = int | Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """Integers that stand for `integer / 2^frac_bits`.

    Args:
        bits: width with the sign, 1..62.
        frac_bits: bits below the point; may exceed `bits` or be negative.

    Raises:
        InputError: a width outside 1..62, or a signed format of one bit.

    >>> byte = Fixed(bits=8, frac_bits=4)
    >>> byte.low, byte.high, byte.step
    (-128, 127, 0.0625)
    """

    bits: int
    frac_bits: int
    signed: bool = True

    def __post_init__(self) -> None:
        if not 1 + self.signed <= self.bits <= 62:
            raise InputError(f"a format of {self.bits} bits, signed={self.signed}", hint="use 2 to 62 bits")

    @property
    def low(self) -> int:
        """The least integer of the format."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The greatest integer of the format."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def step(self) -> float:
        """The value of one unit in the last place."""
        return float(2.0**-self.frac_bits)

    def saturate(self, integers: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
        """The nearest integers that the format holds.

        >>> Fixed(bits=4, frac_bits=0).saturate(np.array([-9, 3, 9])).tolist()
        [-8, 3, 7]
        """
        clipped: np.ndarray = np.clip(integers, self.low, self.high)
        return clipped

    def quantize(self, values: Float64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
        """Real values to integers: nearest, ties upward, saturated.

        Raises:
            InputError: a value that is not a number.

        >>> Fixed(bits=8, frac_bits=1).quantize(np.array([0.25, -0.25, 1e9])).tolist()
        [1, 0, 127]
        """
        if np.isnan(values).any():
            raise InputError("a value is not a number", hint="fixed-point formats hold finite values")
        scaled = np.clip(np.ldexp(values, self.frac_bits), self.low - 1.0, self.high + 1.0)
        whole = np.floor(scaled)  # adding 0.5 first would round 0.49999999999999994 up
        return self.saturate(whole.astype(np.int64) + (scaled - whole >= 0.5))

    def values(self, integers: Int64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        """What the integers stand for; exact up to 53 bits.

        >>> Fixed(bits=8, frac_bits=2).values(np.array([5])).tolist()
        [1.25]
        """
        return np.ldexp(integers.astype(np.float64), -self.frac_bits)


def shift_round(integers: Int64[np.ndarray, "*shape"], shift: Shift) -> Int64[np.ndarray, "*shape"]:
    """floor(integers / 2^shift + 1/2), with no intermediate that could overflow.

    Args:
        shift: 0..62, one for all or one for each channel (axis -3).

    Raises:
        InputError: a shift outside 0..62.

    >>> shift_round(np.array([5, 6, -6, -7]), 2).tolist()
    [1, 2, -1, -2]
    """
    shifts = np.asarray(shift, dtype=np.int64)
    if shifts.min() < 0 or shifts.max() > 62:
        raise InputError(f"shifts from {shifts.min()} to {shifts.max()}", hint="use 0 to 62")
    if shifts.ndim:
        shifts = shifts[:, None, None]
    below = (integers >> np.maximum(shifts - 1, 0)) & 1  # the bit that decides: 1/2 or more
    return (integers >> shifts) + np.where(shifts > 0, below, 0)
