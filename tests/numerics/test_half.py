"""Half-precision products and sums against rational numbers, rounded by hand."""

from fractions import Fraction

import numpy as np
import pytest

from vedette.numerics import half


def rounded(exact: Fraction, bits: int, least: int) -> float:
    """The nearest number of `bits` bits, ties to even; with a last place of 2^least or more."""
    if not exact:
        return 0.0
    top = 0
    while abs(exact) >= Fraction(2) ** (top + 1):
        top += 1
    while abs(exact) < Fraction(2) ** top:
        top -= 1
    place = Fraction(2) ** max(top - bits + 1, least)
    found = float(round(exact / place) * place)  # Python rounds a half to even
    return found if abs(found) < 65520 else float(np.copysign(np.inf, found))


def finite(seed: int, count: int) -> np.ndarray:
    """Any finite halves, many of them near the ends of the range of products."""
    r = np.random.default_rng(seed)
    whole = r.integers(0, 1 << 16, count).astype(np.uint16)
    whole[::2] = whole[::2] & 0x83FF | (r.choice([5, 6, 7, 8, 9, 22, 23], len(whole[::2])) << 10).astype(
        np.uint16
    )
    return whole.view(np.float16)[np.isfinite(whole.view(np.float16))]


@pytest.mark.parametrize("subnormals", [False, True])
def test_products_and_sums_are_the_nearest_halves(subnormals):
    x, y = finite(1, 4000)[:3000], finite(2, 4000)[:3000]
    for found, exactly in (
        (half.multiply(x, y, subnormals=subnormals), lambda a, b: a * b),
        (half.add(x, y, subnormals=subnormals), lambda a, b: a + b),
    ):
        for a, b, got in zip(x, y, found, strict=True):
            if not subnormals:
                a, b = (float(v) if abs(v) >= 2.0**-14 else 0.0 for v in (a, b))
            wanted = rounded(exactly(Fraction(float(a)), Fraction(float(b))), 11, -24 if subnormals else -99)
            assert got == (wanted if subnormals or abs(wanted) >= 2.0**-14 else 0)


def test_a_product_that_rounds_up_to_the_least_normal_half_is_one():
    x, y = np.float16([2.0**-7 * (1 + 2.0**-10)]), np.float16([2.0**-7 * (1 - 2.0**-10)])  # 2^-14 (1 - 2^-20)
    assert half.multiply(x, y).tolist() == [2.0**-14]


def test_zeros_keep_their_sign_and_there_is_one_nan():
    zeros = np.float16([-0.0, -0.0, 1, -(2.0**-20)])
    found = half.add(zeros, np.float16([-0.0, 0.0, -1, -(2.0**-20)]))
    assert np.signbit(found).tolist() == [True, False, False, True]
    bad = half.multiply(np.float16([np.inf, -np.nan, -np.inf]), np.float16([2.0**-20, 1, 2]))
    assert bad.view(np.uint16).tolist() == [0x7E00, 0x7E00, 0xFC00]
