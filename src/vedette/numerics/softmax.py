"""Softmax in integers: exponentials of the distance to the maximum by table, a reciprocal in two segments."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError
from vedette.numerics.integer import largest
from vedette.numerics.scaling import Stepped


@dataclass(frozen=True)
class Reciprocal:
    """1 / total by table; the product with it is (e * entry + half) >> shift."""

    table: Stepped
    half: int
    shift: int


@dataclass(frozen=True)
class Softmax:
    """Rows to unsigned integers of `bits` bits.

    Args:
        exp: of maximum minus score, 0 and up; its sums must fit int64.
        near, far: reciprocals of small and of large totals; a row takes `far` where the index into the near
            table is beyond its last entry.
        bits: of the result; what is larger saturates.
    """

    exp: Stepped
    near: Reciprocal
    far: Reciprocal
    bits: int

    def __call__(self, scores: Int64[np.ndarray, "*t n"]) -> Int64[np.ndarray, "*t n"]:
        """The rows of `scores`, each on its own.

        Raises:
            InputError: a product that could leave int64.
        """
        powers = self.exp(scores.max(axis=-1, keepdims=True) - scores)
        total = powers.sum(axis=-1, keepdims=True)
        is_far = self.near.table.index(total) > len(self.near.table.table) - 1
        entry = np.where(is_far, self.far.table(total), self.near.table(total))
        half = np.where(is_far, self.far.half, self.near.half)
        shift = np.where(is_far, self.far.shift, self.near.shift)
        if largest(powers) * largest(entry) + max(self.far.half, self.near.half) >= 2**63:
            raise InputError("a product could exceed 63 bits", hint="use narrower tables")
        clipped: np.ndarray = np.clip((powers * entry + half) >> shift, 0, (1 << self.bits) - 1)
        return clipped
