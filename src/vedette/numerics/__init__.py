"""What a number is: fixed-point formats and integer operators, bit-true, in NumPy."""

from vedette.numerics.fixed import Fixed, shift_round
from vedette.numerics.integer import conv2d, gdn, isqrt, product, requantize, worst_sum
from vedette.numerics.lifting import analyze, synthesize
from vedette.numerics.powers import exp2_table
from vedette.numerics.tables import exp2, lookup

__all__ = [
    "Fixed",
    "analyze",
    "conv2d",
    "exp2",
    "exp2_table",
    "gdn",
    "isqrt",
    "lookup",
    "product",
    "requantize",
    "shift_round",
    "synthesize",
    "worst_sum",
]
