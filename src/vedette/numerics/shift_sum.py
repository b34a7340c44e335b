"""Sums of integer products in groups that differ by a shift, as a multiply-accumulate unit takes them.

The sum of a ShiftQuant product (`numerics.grouping`) is that of values shifted left by e_max - e_c. A unit
that takes several terms a cycle shifts their sum once, so its terms are ordered by group: the same order as
`product8.horner`, filled up with zeros to whole cycles. The integers are those of `product8`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from vedette.errors import InputError


@dataclass(frozen=True)
class Schedule:
    """Which terms a unit takes in each cycle, -1 for a zero, and by how much their sum is shifted left."""

    order: Int64[np.ndarray, "cycles lanes"]
    shifts: Int64[np.ndarray, " cycles"]

    def taken(self, values: Int64[np.ndarray, "*outer inner"]) -> Int64[np.ndarray, "*outer cycles lanes"]:
        """The inner dimension's values as the unit takes them."""
        return np.where(self.order >= 0, values[..., self.order], 0)


def schedule(exponents: Int64[np.ndarray, " inner"], lanes: int) -> Schedule:
    """Terms by group, the largest shift first, `lanes` a cycle.

    Args:
        exponents: e of each place of the inner dimension; its shift is e_max - e.

    >>> schedule(np.array([1, 0, 1, 1]), 2)
    Schedule(order=array([[ 1, -1],
           [ 0,  2],
           [ 3, -1]]), shifts=array([1, 0, 0]))
    """
    if lanes < 1:
        raise InputError(f"{lanes} terms a cycle", hint="take at least one")
    rows, shifts = [np.zeros((0, lanes), np.int64)], [np.zeros(0, np.int64)]
    for exponent in np.unique(exponents):
        own = np.flatnonzero(exponents == exponent)
        rows.append(np.pad(own, (0, -len(own) % lanes), constant_values=-1).reshape(-1, lanes))
        shifts.append(np.full(len(rows[-1]), exponents.max() - exponent, np.int64))
    return Schedule(np.concatenate(rows), np.concatenate(shifts))


def running_sums(
    a: Int64[np.ndarray, "cycles lanes"],
    b: Int64[np.ndarray, "cycles lanes"],
    shifts: Int64[np.ndarray, "cycles _"],
    first: Bool[np.ndarray, " cycles"],
) -> Int64[np.ndarray, " cycles"]:
    """What stands in the accumulator after each cycle.

    Args:
        shifts: of each term, or one for those of a cycle.
        first: where a sum begins.

    >>> twos = np.full((3, 2), 2)
    >>> running_sums(twos, twos, np.array([[1], [0], [0]]), np.array([True, False, True])).tolist()
    [16, 24, 8]
    """
    terms = ((a * b) << shifts).sum(axis=1)
    whole = np.cumsum(terms)
    begun = np.maximum.accumulate(np.where(first, np.arange(len(terms)), 0))
    return whole - (whole - terms)[begun]
