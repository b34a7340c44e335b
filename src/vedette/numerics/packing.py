"""Several small products in one wide multiplier: how factors are laid out, and how results are taken apart.

A DSP48E2 multiplies 27 by 18 bits, signed, into 48. Two weights that share an activation lie apart by a
lane: (w1 * 2^lane + w0) * x = (w1 * x) * 2^lane + w0 * x. A lane that is negative borrows from the one
above, which gets its sign bit back. Sums of such products may be taken apart once, as long as no lane
overflows: `Packing.sums` says how many products that is. What is not exact is not here: three 4-bit
weights times 8 bits, 12-bit products, do not fit 11-bit lanes of a 27-bit port.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError

Values = Int64[np.ndarray, "*n"]
Range = tuple[int, int]  # least and greatest value
S8, S8_SYMMETRIC, S4, U4 = (-128, 127), (-127, 127), (-8, 7), (0, 15)


@dataclass(frozen=True, kw_only=True)
class Packing:
    """One multiplication that stands for several.

    Args:
        weights, acts: ranges of the values at the wide and at the narrow port.
        weight_lanes, act_lanes: bit positions of the values at each port, lowest first.
    """

    name: str
    weights: Range
    acts: Range
    weight_lanes: tuple[int, ...]
    act_lanes: tuple[int, ...] = (0,)

    @property
    def lanes(self) -> tuple[int, ...]:
        """Bit positions of the products, lowest first: every weight with every activation."""
        return tuple(sorted(w + a for w in self.weight_lanes for a in self.act_lanes))

    @property
    def products(self) -> int:
        """Products of one multiplication."""
        return len(self.lanes)

    @property
    def lane_bits(self) -> int:
        """Bits of a product's lane; the highest has what is left of the accumulator."""
        lanes = self.lanes
        return min((b - a for a, b in pairwise(lanes)), default=48)

    @property
    def product_range(self) -> Range:
        """Least and greatest product."""
        every = [w * a for w in self.weights for a in self.acts]
        return min(every), max(every)

    @property
    def sums(self) -> int:
        """Products that may be added up before the lanes are taken apart: no lane leaves its range."""
        low, high = self.product_range
        limit = 1 << (self.lane_bits - 1)
        return min(limit // -low if low < 0 else 1 << 30, (limit - 1) // high if high > 0 else 1 << 30)

    @property
    def ports(self) -> tuple[int, int]:
        """Bits, signed, that the packed weights and the packed activations take."""
        return (
            _bits(self.weights, self.weight_lanes),
            _bits(self.acts, self.act_lanes),
        )

    def pack(self, weights: Sequence[Values], acts: Sequence[Values]) -> tuple[Values, Values]:
        """The two factors.

        Raises:
            InputError: a value out of its range.
        """
        factors = []
        for values, lanes, limits in (
            (weights, self.weight_lanes, self.weights),
            (acts, self.act_lanes, self.acts),
        ):
            total = np.zeros_like(np.asarray(values[0], dtype=np.int64))
            for value, lane in zip(values, lanes, strict=True):
                if value.size and (value.min() < limits[0] or value.max() > limits[1]):
                    raise InputError(f"values from {value.min()} to {value.max()}", hint=f"use {limits}")
                total = total + (value.astype(np.int64) << lane)
            factors.append(total)
        return factors[0], factors[1]

    def unpack(self, product: Values) -> list[Values]:
        """The products, or their sums, lowest lane first.

        >>> packing = PACKINGS["2 x s8 s8"]
        >>> w, x = packing.pack([np.array([-3]), np.array([100])], [np.array([-128])])
        >>> [lane.tolist() for lane in packing.unpack(w * x)]
        [[384], [-12800]]
        """
        found, rest = [], product
        lanes = self.lanes
        for lane, above in pairwise(lanes):
            bits = above - lane
            value = rest & ((1 << bits) - 1)
            value = value - ((value >> (bits - 1)) << bits)
            found.append(value)
            rest = (rest - value) >> bits  # gives the lane above its borrow back
        return [*found, rest]


def _bits(limits: Range, lanes: tuple[int, ...]) -> int:
    low, high = (sum(limit << lane for lane in lanes) for limit in limits)
    bits = 1
    while not (-(1 << (bits - 1)) <= low and high < 1 << (bits - 1)):
        bits += 1
    return bits


PACKINGS = {
    packing.name: packing
    for packing in (
        Packing(name="2 x s8 s8", weights=S8, acts=S8, weight_lanes=(0, 18)),
        Packing(name="2 x s8 s8, symmetric weights", weights=S8_SYMMETRIC, acts=S8, weight_lanes=(0, 18)),
        Packing(name="2 x s4 s8", weights=S4, acts=S8, weight_lanes=(0, 18)),
        Packing(name="4 x s4 u4", weights=S4, acts=U4, weight_lanes=(0, 22), act_lanes=(0, 11)),
    )
}

NIBBLE_LANE = 13  # of the upper nibble beside the lower one, whose product with 8 bits has 12


def nibbles(weight: Values) -> Values:
    """An 8-bit weight as upper nibble, signed, and lower one, unsigned, 13 bits apart at one port.

    Its product with x is taken apart by `from_nibbles`: mixed signs, "hybrid" packing.

    >>> x = np.array([-77])
    >>> from_nibbles(nibbles(np.array([-100])) * x).tolist()
    [7700]
    """
    return ((weight >> 4) << NIBBLE_LANE) + (weight & 15)


def from_nibbles(product: Values) -> Values:
    """weight * x of a product of `nibbles` and x: sixteen times the upper lane, plus the lower one."""
    low = product & ((1 << NIBBLE_LANE) - 1)
    low = low - ((low >> (NIBBLE_LANE - 1)) << NIBBLE_LANE)
    return (((product - low) >> NIBBLE_LANE) << 4) + low
