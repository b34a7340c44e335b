"""HeatViT's functions: the facts that are known of them, and integers against floats over every input."""

import math

import numpy as np
import pytest

from vedette.errors import InputError
from vedette.numerics import approximations as heat

X = np.linspace(-10, 10, 400_001)
EVERY = np.arange(-(1 << 15), 1 << 15)


def true_gelu(x):
    return x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def slope(function):
    values = function(X)
    inner = np.abs(X[:-1]) > 1e-4  # the sign's jump at 0 is none of GELU, which is 0 there
    return (np.diff(values) / np.diff(X))[inner]


def test_with_delta_1_gelu_is_off_by_0_018_at_most():
    some = X[::400]
    assert np.abs(heat.gelu(some) - true_gelu(some)).max() == pytest.approx(0.018, abs=0.001)
    found = slope(heat.gelu)
    assert (found.min(), found.max()) == pytest.approx((-0.151, 1.151), abs=0.002)


def test_with_the_papers_delta_gelu_is_another_function_with_small_derivatives():
    found = slope(lambda x: heat.gelu(x, 0.5))
    assert (found.min(), found.max()) == pytest.approx((0.175, 0.825), abs=0.002)
    assert heat.gelu(np.array([8.0, -8.0]), 0.5).tolist() == pytest.approx([6.0, -2.0])
    assert abs(slope(lambda x: heat.gelu(x, 0.768))).max() == pytest.approx(1.0, abs=0.002)


def test_the_exponential_is_within_3_thousandths_and_a_hair_above_1_at_0():
    x = np.linspace(-math.log(2) + 1e-9, 0, 10_001)
    assert np.abs(heat.exp(x) - np.exp(x)).max() == pytest.approx(2.1e-3, abs=2e-4)
    assert (np.abs(heat.exp(x) / np.exp(x) - 1)).max() == pytest.approx(3.1e-3, abs=2e-4)
    assert heat.exp(np.zeros(1))[0] == pytest.approx(1.00027, abs=1e-5)


def test_plan_is_within_0_0189_of_the_sigmoid():
    assert np.abs(heat.sigmoid(X) - 1 / (1 + np.exp(-X))).max() == pytest.approx(0.0189, abs=2e-4)


def test_softmax_with_it_is_neutral():
    rows = np.random.default_rng(0).normal(0, 2, (50, 197))
    true = np.exp(rows - rows.max(1, keepdims=True))
    true /= true.sum(1, keepdims=True)
    assert np.abs(heat.softmax(rows) - true).max() < 1e-3
    assert heat.softmax(rows, 0.5).sum() == pytest.approx(25)


@pytest.mark.parametrize("frac", [4, 8, 12])
@pytest.mark.parametrize("delta", [1.0, 0.5])
def test_integer_gelu_is_within_a_unit_or_two_over_every_16_bit_input(frac, delta):
    found = heat.gelu_integer(EVERY, frac=frac, delta=delta)
    assert np.abs(found - heat.gelu(EVERY / 2**frac, delta) * 2**frac).max() < 2


@pytest.mark.parametrize("frac", [4, 8, 12])
def test_the_integer_exponential_is_within_two_units_over_every_16_bit_input(frac):
    inputs = EVERY[EVERY <= 0]
    found = heat.exp_integer(inputs, frac=frac)
    # the integer ln 2 is off by up to half a unit of 2^-(frac + 8), once for every halving
    assert np.abs(found - heat.exp(inputs / 2**frac) * 2**15).max() < 8 * 2 ** (max(0, 12 - frac) / 2)
    assert (np.diff(found) >= -8 * 2 ** (max(0, 12 - frac) / 2)).all()


@pytest.mark.parametrize("frac", [5, 8, 12])
def test_the_integer_sigmoid_is_plan_rounded_down_over_every_16_bit_input(frac):
    found = heat.sigmoid_integer(EVERY, frac=frac)
    assert np.abs(found - heat.sigmoid(EVERY / 2**frac) * 2**frac).max() <= 1
    assert (np.diff(found) >= -(2**frac) / 256 - 1).all()  # its lines do not quite meet at 2.375


def test_integer_softmax_rows_sum_to_nearly_all():
    rows = np.random.default_rng(1).integers(-400, 400, (40, 64))
    found = heat.softmax_integer(rows, frac=6)
    assert np.abs(found / 255 - heat.softmax(rows / 64)).max() < 0.006
    assert (found.sum(1) <= 255).all()
    half = heat.softmax_integer(rows, frac=6, delta=0.5)
    assert half.max() <= 127


@pytest.mark.parametrize("frac", [0, 3, 6, 14])
def test_the_reciprocal_of_a_row_costs_a_unit_at_most_and_seldom(frac):
    rows = np.random.default_rng(2).integers(-6 << frac, 1, (200, 50))
    powers = heat.exp_integer(rows - rows.max(1, keepdims=True), frac=frac).astype(object)
    below = 255 * powers // powers.sum(1, keepdims=True) - heat.softmax_integer(rows, frac=frac)
    assert set(below.ravel()) <= {0, 1} and below.mean() < 0.005


@pytest.mark.parametrize(
    "call",
    [
        lambda: heat.gelu_integer(EVERY, frac=15),
        lambda: heat.gelu_integer(np.array([1 << 30]), frac=8),
        lambda: heat.exp_integer(np.array([1]), frac=8),
        lambda: heat.exp_integer(np.array([0]), frac=8, out_frac=16),
        lambda: heat.sigmoid_integer(np.array([0]), frac=4),
        lambda: heat.gelu_integer(np.array([0]), frac=8, delta=0.0),
        lambda: heat.softmax_integer(np.array([[0]]), frac=8, delta=1.5),
        lambda: heat.softmax_integer(np.array([[0]]), frac=8, bits=17),
    ],
)
def test_what_the_formats_do_not_hold_is_refused(call):
    with pytest.raises(InputError):
        call()
