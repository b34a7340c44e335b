import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.bitstream.tables import TOTAL, Tables, gaussian_tables, join, tables_from_pmf
from vedette.errors import InputError

masses = st.lists(st.floats(0, 1), min_size=1, max_size=40).filter(lambda values: sum(values) > 1e-3)


@given(masses)
def test_every_bin_and_the_escape_can_be_coded(values):
    cdf = tables_from_pmf([np.array(values)], [0]).cdf
    assert cdf[0] == 0 and cdf[-1] == TOTAL and len(cdf) == len(values) + 2
    assert (np.diff(cdf) >= 1).all()


@given(masses)
def test_frequencies_are_the_probabilities_up_to_a_count_for_each_bin(values):
    mass = np.array([*values, max(0.0, 1 - sum(values))])
    mass /= mass.sum()
    frequencies = np.diff(tables_from_pmf([np.array(values)], [0]).cdf)
    assert np.abs(frequencies - mass * TOTAL).max() <= 1 + len(mass)


def test_ties_go_to_the_lower_index():
    assert np.diff(tables_from_pmf([np.full(3, 1 / 3)], [0]).cdf).tolist() == [21845, 21845, 21845, 1]
    assert np.diff(tables_from_pmf([np.full(7, 1 / 7)], [0]).cdf).tolist() == [9363, *[9362] * 6, 1]


@pytest.mark.parametrize("scale", [0.11, 0.5, 1.0, 7.3, 64.0, 300.0])
def test_a_gaussian_table_costs_at_most_a_thousandth_more_than_the_entropy(scale):
    tables = gaussian_tables(np.array([scale]))
    first, frequencies = int(tables.firsts[0]), np.diff(tables.cdf)[:-1]

    def mass(k):  # by the error function of the bin's edges, not by the table's own differences
        return (math.erf((k + 0.5) / scale / 2**0.5) - math.erf((k - 0.5) / scale / 2**0.5)) / 2

    p = np.array([mass(first + i) for i in range(len(frequencies))])
    entropy = -np.sum(p * np.log2(np.maximum(p, 1e-300)))
    cost = -np.sum(p * np.log2(frequencies / TOTAL))
    assert cost - entropy <= max(0.001 * entropy, 1e-4)


def test_a_gaussian_table_is_symmetric_and_leaves_its_tails_to_the_escape():
    tables = gaussian_tables(np.array([3.0]), tail_mass=1e-3)
    frequencies = np.diff(tables.cdf)
    assert np.abs(frequencies[:-1] - frequencies[-2::-1]).max() <= 1
    assert int(tables.firsts[0]) == -10  # erfc(9.5/3/sqrt2) > 1e-3 > erfc(10.5/3/sqrt2)
    assert frequencies[-1] / TOTAL == pytest.approx(math.erfc(10.5 / 3 / 2**0.5), abs=3 / TOTAL)


def test_joined_tables_keep_their_rows():
    a, b = gaussian_tables(np.array([1.0, 2.0])), tables_from_pmf([np.array([0.5, 0.5])], [7])
    both = join(a, b)
    assert len(both) == 3
    assert both.of(1).tolist() == a.of(1).tolist() and both.of(2).tolist() == b.of(0).tolist()
    assert both.firsts.tolist() == [*a.firsts.tolist(), 7]


def test_tables_survive_being_stored_as_three_arrays():
    tables = gaussian_tables(np.array([0.3, 9.0]))
    again = Tables(tables.cdf.copy(), tables.starts.copy(), tables.firsts.copy())
    assert np.array_equal(again.buckets, tables.buckets)


def test_checked_arrays_cannot_be_changed_afterwards():
    cdf = np.array([0, 5, TOTAL], dtype=np.int32)
    tables = Tables(cdf, np.array([0, 3], dtype=np.int32), np.array([0], dtype=np.int32))
    cdf[1] = -1
    assert tables.cdf[1] == 5
    with pytest.raises(ValueError, match="read-only"):
        tables.cdf[1] = 0


@pytest.mark.parametrize(
    ("cdf", "starts", "firsts"),
    [
        ([0, 5, 5, TOTAL], [0, 4], [0]),  # a bin without mass
        ([0, 5, TOTAL - 1], [0, 3], [0]),  # does not reach the total
        ([1, 5, TOTAL], [0, 3], [0]),  # does not begin at 0
        ([0, 5, TOTAL], [0, 4], [0]),  # starts beyond the end
        ([0, TOTAL, 0, TOTAL], [0, -2, 4], [0, 0]),  # slices, but not forward
        ([0, 5, TOTAL], [0, 3, 3], [0, 0]),  # an empty table
        ([0, 5, TOTAL], [0, 3], [2**31 - 1]),  # symbols beyond 32 bits
        ([], [0], []),
    ],
)
def test_arrays_that_are_no_tables_are_refused(cdf, starts, firsts):
    arrays = [np.array(values, dtype=np.int32) for values in (cdf, starts, firsts)]
    with pytest.raises(InputError):
        Tables(*arrays)


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.5, -0.1], [math.nan, 1.0], [math.inf]])
def test_values_that_are_no_probabilities_are_refused(values):
    with pytest.raises(InputError, match="probabilities"):
        tables_from_pmf([np.array(values)], [0])


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, 1e9])
def test_impossible_scales_are_refused(scale):
    with pytest.raises(InputError, match="scales"):
        gaussian_tables(np.array([scale]))
