"""Quantizers, random bits by counter, and groups of channels: properties and hand-made cases."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vedette.errors import InputError, UnknownNameError
from vedette.numerics import counter, grouping, symmetric

RANGES = arrays.arrays(
    np.float32, st.integers(1, 24), elements=st.floats(0, 2.0**60, width=32, allow_subnormal=True)
)


def test_random_bits_depend_on_counter_and_seed_alone():
    whole = counter.bits(5, np.arange(1000))
    assert np.array_equal(counter.bits(5, np.arange(300, 1000)), whole[300:])
    assert not np.array_equal(counter.bits(6, np.arange(1000)), whole)


def test_the_random_bits_of_seed_1_never_change():
    assert counter.bits(1, np.arange(4)).tolist() == [2692512407, 2136536683, 587229646, 5305586]


def test_each_random_bit_is_as_often_0_as_1_and_neighbors_are_unrelated():
    draws = counter.bits(2, np.arange(1 << 16))
    each = np.unpackbits(draws.view(np.uint8).reshape(-1, 4), axis=1).mean(axis=0)
    assert np.abs(each - 0.5).max() < 5 * 0.5 / 256  # five standard deviations of 65,536 coins
    centered = counter.uniform(2, 256, 256) - 0.5
    pairs = (
        (centered[:, :-1], centered[:, 1:]),
        (centered[:, :128], centered[:, 128:]),
        (centered[:-1], centered[1:]),
        (centered, counter.uniform(3, 256, 256) - 0.5),
    )
    for left, right in pairs:
        assert abs(float(np.corrcoef(left.reshape(-1), right.reshape(-1))[0, 1])) < 5 / 256


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
def test_stochastic_rounding_is_right_on_average(bits):
    x = np.random.default_rng(bits).normal(size=64).astype(np.float32)
    inverse = np.float32(symmetric.magnitude(bits)) / np.abs(x).max()
    draws = [symmetric.stochastic(x, inverse, bits, seed=seed) for seed in range(10_000)]
    mean, variance = np.mean(draws, axis=0), symmetric.stochastic_variance(x * inverse, np.float32(1))
    error = (mean - x * inverse) / np.sqrt(np.maximum(variance, 1e-9) / len(draws))
    assert np.abs(error[variance > 1e-6]).max() < 5
    assert np.allclose(np.var(draws, axis=0), variance, atol=0.02)


def test_halves_round_to_even_and_large_values_are_clamped():
    x = np.float32([-8.0, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 6.6, 7.4, 1e9])
    assert symmetric.nearest(x, np.float32(1), 4).tolist() == [-7, -2, -2, 0, 0, 2, 2, 7, 7, 7]


@pytest.mark.parametrize("bits", [1, 9])
def test_other_widths_are_refused(bits):
    with pytest.raises(InputError, match=f"{bits} bits"):
        symmetric.magnitude(bits)


@given(RANGES, st.integers(1, 8))
def test_shift_groups_never_clip_and_are_within_twice_the_range(ranges, groups):
    e = grouping.shift_exponents(ranges, groups)
    top = float(ranges.max())
    limits = top * 2.0 ** -e.astype(float)
    assert ((e >= 0) & (e < groups)).all()
    assert (ranges <= limits).all()
    inner = e < groups - 1  # all but the last group: the limit is the next power of two
    assert (limits[inner] < 2 * ranges[inner].astype(float)).all()


@example(np.float32([0, 1]), 2)
@given(RANGES, st.integers(1, 6))
def test_no_grouping_beats_the_optimal_one_but_a_step_for_each_channel(ranges, groups):
    def bound(way: str) -> float:
        return grouping.variance_bound(ranges, 4, 10, grouping=way, groups=groups)

    assert bound("channel") <= bound("optimal") * (1 + 1e-9)
    for way in ("shift", "uniform", "tensor"):
        assert bound("optimal") <= bound(way) * (1 + 1e-9)


@given(RANGES, st.integers(1, 6))
def test_shift_groups_keep_the_bound_of_the_derivation(ranges, groups):
    """Specification, section 4: four times the finest grouping plus the tensor's over 4^(groups - 1)."""
    shift, channel, tensor = (
        grouping.variance_bound(ranges, 4, 1, grouping=way, groups=groups)
        for way in ("shift", "channel", "tensor")
    )
    assert shift <= (4 * channel + tensor / 4 ** (groups - 1)) * (1 + 1e-9)


def test_the_optimal_partition_is_the_best_of_all():
    ranges = np.float32([9, 8, 3, 2.5, 1, 0.2])
    cost = [
        sum(len(part) * max(part) ** 2 for part in (ranges[:i], ranges[i:j], ranges[j:]))
        for i in range(1, 5)
        for j in range(i + 1, 6)
    ]
    assert grouping.variance_bound(ranges, 4, 1, grouping="optimal", groups=3) == pytest.approx(
        min(cost) / (4 * 49)
    )


def test_an_unknown_grouping_is_named():
    with pytest.raises(UnknownNameError, match="'shfit'"):
        grouping.steps(np.ones(3, np.float32), 4, grouping="shfit")
