"""Every packing, proved over every combination of values; how many sums a lane holds, by the worst one."""

import numpy as np
import pytest

from vedette.errors import InputError
from vedette.numerics.packing import PACKINGS, Packing, from_nibbles, nibbles

DSP48E2 = (27, 18, 48)


def values(limits):
    return np.arange(limits[0], limits[1] + 1)


@pytest.mark.parametrize("name", [name for name in PACKINGS if name.startswith("2 x")])
def test_two_weights_of_one_activation_come_apart_for_every_combination(name):
    packing = PACKINGS[name]
    first, second = (grid.ravel() for grid in np.meshgrid(*[values(packing.weights)] * 2))
    for act in values(packing.acts):
        w, x = packing.pack([first, second], [np.full_like(first, act)])
        low, high = packing.unpack(w * x)
        assert np.array_equal(low, first * act) and np.array_equal(high, second * act)


def test_four_products_of_two_weights_and_two_activations_come_apart_for_every_combination():
    packing = PACKINGS["4 x s4 u4"]
    grids = np.meshgrid(*[values(packing.weights)] * 2, *[values(packing.acts)] * 2)
    w0, w1, a0, a1 = (grid.ravel() for grid in grids)
    w, x = packing.pack([w0, w1], [a0, a1])
    found = packing.unpack(w * x)
    for one, other in zip(found, (w0 * a0, w0 * a1, w1 * a0, w1 * a1), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "sums"),
    [("2 x s8 s8", 7), ("2 x s8 s8, symmetric weights", 8), ("2 x s4 s8", 127), ("4 x s4 u4", 8)],
)
def test_so_many_products_add_up_before_a_lane_overflows_and_one_more_does(name, sums):
    packing = PACKINGS[name]
    assert packing.sums == sums
    extremes = [(w, a) for w in packing.weights for a in packing.acts]
    for count, fits in ((sums, True), (sums + 1, False)):
        right = []
        for w, a in extremes:
            many = len(packing.weight_lanes), len(packing.act_lanes)
            factors = packing.pack([np.array([w])] * many[0], [np.array([a])] * many[1])
            lanes = packing.unpack(count * factors[0] * factors[1])
            right.append(all(int(lane[0]) == count * w * a for lane in lanes))
        assert all(right) == fits


@pytest.mark.parametrize("name", PACKINGS)
def test_the_packed_factors_fit_the_ports_of_a_dsp48e2(name):
    wide, narrow = PACKINGS[name].ports
    assert wide <= DSP48E2[0] and narrow <= DSP48E2[1]


def test_seven_series_multipliers_are_too_narrow_for_two_8_bit_weights():
    assert PACKINGS["2 x s8 s8"].ports[0] > 25


def test_three_4_bit_weights_times_8_bits_do_not_fit():
    three = Packing(name="3 x s4 s8", weights=(-8, 7), acts=(-128, 127), weight_lanes=(0, 11, 22))
    assert three.ports[0] <= 27 and three.sums == 0  # lanes of 11 bits, products of 12


def test_an_8_bit_weight_in_nibbles_is_exact_for_every_weight_and_activation():
    weights, acts = np.meshgrid(np.arange(-128, 128), np.arange(-128, 128))
    assert np.array_equal(from_nibbles(nibbles(weights) * acts), weights * acts)
    assert nibbles(np.arange(-128, 128)).min() >= -(1 << 17)  # fits the narrow port too


def test_values_out_of_range_are_refused():
    with pytest.raises(InputError, match="128"):
        PACKINGS["2 x s8 s8"].pack([np.array([128]), np.array([0])], [np.array([1])])
