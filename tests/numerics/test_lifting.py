"""Lifting: what goes in comes out, and the filters are the published ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.errors import InputError, UnknownNameError
from vedette.numerics.lifting import analyze, synthesize

RANDOM = np.random.default_rng(7)


@pytest.mark.parametrize("wavelet", ["5/3", "9/7"])
@given(values=st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=40))
def test_any_signal_of_any_length_comes_back(wavelet, values):
    x = np.array(values)
    low, high = analyze(x, wavelet)
    assert (len(low), len(high)) == ((len(x) + 1) // 2, len(x) // 2)
    assert np.array_equal(synthesize(low, high, wavelet), x)


@pytest.mark.parametrize("wavelet", ["5/3", "9/7"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_any_axis_comes_back(wavelet, axis):
    x = RANDOM.integers(-500, 500, (5, 6, 7))
    before = x.copy()
    assert np.array_equal(synthesize(*analyze(x, wavelet, axis=axis), wavelet, axis=axis), x)
    assert np.array_equal(x, before)


def test_5_3_is_the_standards_formula_with_mirrored_ends():
    x = RANDOM.integers(-500, 500, 11).tolist()

    def at(index: int) -> int:
        index = abs(index)
        return x[index if index < len(x) else 2 * (len(x) - 1) - index]

    def high_at(index: int) -> int:  # of the odd sample 2 i + 1
        return at(2 * index + 1) - (at(2 * index) + at(2 * index + 2)) // 2

    low, high = analyze(np.array(x))
    assert high.tolist() == [high_at(i) for i in range(5)]
    assert low.tolist() == [at(2 * i) + (high_at(i - 1) + high_at(i) + 2) // 4 for i in range(6)]


def test_9_7_high_band_is_blind_to_cubic_ramps_within_rounding():
    """Its analysis high-pass has four vanishing moments; at the ends the mirror is no cubic."""
    t = np.arange(64)
    _, high = analyze(t**3 - 40 * t**2 + 7 * t, "9/7")
    assert np.abs(high[4:-4]).max() <= 12  # 262,144 at the top, coefficients of 14 bits
    assert np.abs(np.diff(t**3)).max() > 10_000


def test_a_constant_has_no_high_band():
    low, high = analyze(np.full(9, 1000), "5/3")
    assert (set(low.tolist()), set(high.tolist())) == ({1000}, {0})


def test_what_cannot_be_a_signal_is_refused():
    with pytest.raises(InputError, match="without samples"):
        analyze(np.array([], np.int64))
    with pytest.raises(InputError, match="2\\^40"):
        analyze(np.array([2**40 + 1]))
    with pytest.raises(InputError, match="low band"):
        synthesize(np.array([1]), np.array([1, 2]))
    with pytest.raises(InputError, match="2\\^45"):
        synthesize(np.array([1, -(2**45) - 1]), np.array([1]))
    with pytest.raises(UnknownNameError, match="wavelet"):
        analyze(np.array([1, 2]), "5-3")
