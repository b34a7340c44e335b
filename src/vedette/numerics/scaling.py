"""How integers change their scale: a real factor as multiplier and shift, and tables with a step."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError
from vedette.numerics.integer import largest

SHIFT_MOST = 62


@dataclass(frozen=True)
class Scale:
    """multiplier / 2^shift.

    Args:
        multiplier: 1 for a power of two.
        shift: 0 to 62.
    """

    multiplier: int
    shift: int

    def __post_init__(self) -> None:
        if not 0 <= self.shift <= SHIFT_MOST:
            raise InputError(f"a shift of {self.shift}", hint="use 0 to 62")

    @property
    def value(self) -> float:
        """The factor."""
        return math.ldexp(self.multiplier, -self.shift)


def scale_of(factor: float, *, bits: int = 16) -> Scale:
    """The nearest scale to `factor` whose multiplier fits `bits` bits with its sign.

    The relative error is at most 2^-(bits - 1).

    Raises:
        InputError: a factor that is not finite, or beyond what 62 bits of shift can hold.

    >>> scale_of(0.3, bits=8)
    Scale(multiplier=77, shift=8)
    """
    if not math.isfinite(factor) or factor == 0:
        raise InputError(f"a scale of {factor}", hint="a finite number other than 0 is needed")
    _, exponent = math.frexp(abs(factor))
    shift = bits - 1 - exponent
    multiplier = round(math.ldexp(factor, shift))
    if abs(multiplier) == 1 << (bits - 1):  # rounded up to the next power of two
        multiplier, shift = multiplier // 2, shift - 1
    if not 0 <= shift <= SHIFT_MOST:
        raise InputError(f"a scale of {factor:g}", hint=f"{bits} bits and shifts up to 62 do not reach it")
    return Scale(multiplier, shift)


def rescale(x: Int64[np.ndarray, "*shape"], scale: Scale) -> Int64[np.ndarray, "*shape"]:
    """floor(x * multiplier / 2^shift + 1/2): ties upward.

    Raises:
        InputError: a product that could leave int64.

    >>> rescale(np.array([10, -10, 5]), Scale(1, 2)).tolist()
    [3, -2, 1]
    """
    half = 1 << (scale.shift - 1) if scale.shift else 0
    if largest(x) * abs(scale.multiplier) + half >= 2**63:
        raise InputError("a product could exceed 63 bits", hint="use a smaller multiplier")
    return (x * scale.multiplier + half) >> scale.shift


@dataclass(frozen=True)
class Stepped:
    """A function by table: table[clip((x + offset) >> shift, 0, last)].

    Args:
        table: entries, int64.
        offset: brings the first input of the table to 0.
        shift: log2 of the step between entries.
    """

    table: Int64[np.ndarray, " n"]
    offset: int
    shift: int

    def __post_init__(self) -> None:
        if not len(self.table) or not 0 <= self.shift <= SHIFT_MOST:
            raise InputError(
                f"a table of {len(self.table)} entries with steps of 2^{self.shift}",
                hint="at least one entry and a step from 1 to 2^62 are needed",
            )

    def index(self, x: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
        """Before saturation."""
        return (x + self.offset) >> self.shift

    def __call__(self, x: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
        """The entries for `x`.

        >>> Stepped(np.array([1, 0, 5]), offset=4, shift=2)(np.array([-100, 0, 100])).tolist()
        [1, 0, 5]
        """
        entries: np.ndarray = self.table[np.clip(self.index(x), 0, len(self.table) - 1)]
        return entries
