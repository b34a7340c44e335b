"""Formats and shifts against exact rational arithmetic."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InputError
from vedette.numerics.fixed import Fixed, shift_round

HALF = Fraction(1, 2)


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 62))
def test_shift_round_is_the_exact_quotient_rounded_half_up(value, shift):
    assert shift_round(np.array([value]), shift)[0] == floor(Fraction(value, 2**shift) + HALF)


def test_a_shift_of_zero_changes_nothing_even_at_the_ends():
    ends = np.array([-(2**63), 2**63 - 1])
    assert np.array_equal(shift_round(ends, 0), ends)


def test_each_channel_has_its_own_shift():
    x = np.full((2, 3, 1, 1), 12)
    assert shift_round(x, [0, 2, 3])[1].ravel().tolist() == [12, 3, 2]


@given(st.floats(-1e6, 1e6), st.integers(2, 40), st.integers(-5, 30))
def test_quantize_is_nearest_with_ties_upward_and_saturates(value, bits, frac):
    format = Fixed(bits=bits, frac_bits=frac)
    exact = floor(Fraction(value) * Fraction(2) ** frac + HALF)
    assert format.quantize(np.array([value]))[0] == min(max(exact, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def test_an_unsigned_byte_goes_from_0_to_255():
    byte = Fixed(bits=8, frac_bits=0, signed=False)
    assert (byte.low, byte.high) == (0, 255)


@pytest.mark.parametrize("wrong", [0, 1, 63])
def test_a_signed_format_of_no_use_is_refused(wrong):
    with pytest.raises(InputError, match="bits"):
        Fixed(bits=wrong, frac_bits=0)


def test_shifts_out_of_range_and_nan_are_refused():
    with pytest.raises(InputError, match="shifts"):
        shift_round(np.array([1]), 63)
    with pytest.raises(InputError, match="not a number"):
        Fixed(bits=8, frac_bits=0).quantize(np.array([np.nan]))
