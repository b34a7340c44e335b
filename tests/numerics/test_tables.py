"""Tables against exact arithmetic."""

from math import isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InputError
from vedette.numerics.powers import exp2_table
from vedette.numerics.tables import exp2, lookup


@pytest.mark.parametrize("bits", [0, 1, 3, 6])
def test_every_entry_of_the_exp2_table_is_the_exact_floor(bits):
    """v = floor(2^(i/n) 2^30) means v^n <= 2^(i + 30 n) < (v + 1)^n, checked in whole numbers."""
    n = 1 << bits
    for index, value in enumerate(exp2_table(bits, 30).tolist()):
        assert value**n <= 2 ** (index + 30 * n) < (value + 1) ** n


@given(st.integers(-(2**12), 2**12), st.integers(0, 30))
def test_exp2_is_the_exact_floor_below_31_bits(x, out_frac):
    if x >> 6 > 30 - out_frac:
        return
    value = int(exp2(np.array([x]), in_frac=6, out_frac=out_frac)[0])
    power = x + 64 * out_frac  # value^64 <= 2^power < (value + 1)^64
    assert power < 0 or value**64 <= 2**power < (value + 1) ** 64
    assert power >= 0 or value == 0


def test_exp2_never_decreases_and_saturates_below_62_bits():
    values = exp2(np.arange(-(2**13), 2**13), in_frac=6, out_frac=16)
    assert np.all(np.diff(values) >= 0)
    assert values[0] == 0
    assert 2**61 <= values[-1] < 2**62


def test_exp2_of_one_half_is_the_root_of_two():
    assert exp2(np.array([1]), in_frac=1, out_frac=20)[0] == isqrt(2 * 2**40)


def test_lookup_saturates_at_both_ends_of_int64():
    x = np.array([-(2**63), 4, 5, 6, 2**63 - 1])
    assert lookup(x, np.array([7, 8, 9]), first=4).tolist() == [7, 7, 8, 9, 9]


def test_tables_and_formats_of_no_use_are_refused():
    with pytest.raises(InputError, match="without entries"):
        lookup(np.array([1]), np.array([], np.int64))
    with pytest.raises(InputError, match="fractional bits"):
        exp2(np.array([1]), in_frac=13, out_frac=0)
