"""Integer operators against Python's unbounded integers and loops."""

from fractions import Fraction
from itertools import product as every
from math import floor, isqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette import numerics
from vedette.errors import InputError

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize(("stride", "padding", "kernel"), [(1, 0, 1), (1, 1, 3), (2, 2, 5), (3, 0, 2)])
def test_conv2d_is_the_sum_written_out(stride, padding, kernel):
    x = RANDOM.integers(-50, 50, (2, 3, 7, 6))
    weight = RANDOM.integers(-9, 9, (4, 3, kernel, kernel))
    bias = RANDOM.integers(-99, 99, 4)
    result = numerics.conv2d(x, weight, bias, stride=stride, padding=padding)
    assert result.shape[2] == (7 + 2 * padding - kernel) // stride + 1
    for b, o, r, c in every(*(range(n) for n in result.shape)):
        total = int(bias[o])
        for i, u, v in every(range(3), range(kernel), range(kernel)):
            row, column = r * stride + u - padding, c * stride + v - padding
            if 0 <= row < 7 and 0 <= column < 6:
                total += int(x[b, i, row, column]) * int(weight[o, i, u, v])
        assert result[b, o, r, c] == total


def test_conv2d_refuses_sums_that_would_wrap_around():
    x, weight = np.full((1, 2, 1, 1), 2**31), np.full((1, 2, 1, 1), 2**31)
    with pytest.raises(InputError, match="63 bits"):
        numerics.conv2d(x, weight)
    assert numerics.conv2d(x - 1, weight - 1)[0, 0, 0, 0] == 2 * (2**31 - 1) ** 2


def test_conv2d_refuses_a_kernel_larger_than_the_image():
    with pytest.raises(InputError, match="kernel"):
        numerics.conv2d(np.ones((1, 1, 2, 2), np.int64), np.ones((1, 1, 3, 3), np.int64))


def test_worst_sum_takes_a_limit_for_each_channel():
    weight = np.array([[[[1]], [[-2]]], [[[0]], [[5]]]])
    assert numerics.worst_sum(weight, np.array([-7, 0]), [100, 10]) == 127
    with pytest.raises(InputError, match="limits"):
        numerics.worst_sum(weight, None, [1, 2, 3])


@given(st.integers(0, 2**62))
def test_isqrt_is_pythons(n):
    assert numerics.isqrt(np.array([n]))[0] == isqrt(n)


def test_isqrt_is_exact_beside_every_kind_of_square():
    roots = np.concatenate(
        [np.arange(1, 3000), RANDOM.integers(2**20, 2**31, 5000), 2**31 - np.arange(1, 99)]
    )
    squares = roots * roots
    assert np.array_equal(numerics.isqrt(squares), roots)
    assert np.array_equal(numerics.isqrt(squares - 1), roots - 1)
    assert numerics.isqrt(np.array([2**62]))[0] == 2**31
    for wrong in (-1, 2**62 + 1):
        with pytest.raises(InputError, match="roots of"):
            numerics.isqrt(np.array([wrong]))


@given(st.integers(-(2**31), 2**31), st.integers(-(2**30), 2**30), st.integers(0, 40))
def test_product_is_exact_and_rounds_half_up(a, b, shift):
    expected = floor(Fraction(a * b, 2**shift) + Fraction(1, 2))
    assert numerics.product(np.array([a]), np.array([b]), shift)[0] == expected


def test_product_refuses_what_would_wrap_around():
    with pytest.raises(InputError, match="63 bits"):
        numerics.product(np.array([2**32]), np.array([2**31]), 0)


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_is_its_formula_in_rational_numbers(inverse):
    x = RANDOM.integers(-(2**12), 2**12, (2, 3, 4, 5))
    beta, gamma = RANDOM.integers(1, 2**20, 3), RANDOM.integers(0, 2**8, (3, 3))
    result = numerics.gdn(x, beta, gamma, shift=9, inverse=inverse)
    for b, i, r, c in every(*(range(n) for n in x.shape)):
        root = isqrt(int(beta[i]) + sum(int(gamma[i, j]) * int(x[b, j, r, c]) ** 2 for j in range(3)))
        value = Fraction(int(x[b, i, r, c]))
        scaled = value * root / 2**9 if inverse else value * 2**9 / root
        assert result[b, i, r, c] == floor(scaled + Fraction(1, 2))


def test_gdn_follows_the_float_layer():
    """8 fractional bits of x, 2 * 6 of gamma: the root has 14, so a shift of 14 keeps the format of x."""
    x, gamma, beta = RANDOM.normal(size=(1, 8, 6, 6)), np.abs(RANDOM.normal(size=(8, 8))), np.ones(8)
    expected = x / np.sqrt(1 + np.einsum("ij,bjhw->bihw", gamma, x**2))
    integers = np.rint(x * 2**8).astype(np.int64)
    weights = np.rint(gamma * 2**12).astype(np.int64)
    result = numerics.gdn(integers, (beta * 2**28).astype(np.int64), weights, shift=14)
    assert np.abs(result / 2**8 - expected).max() < 2 / 2**8


def test_gdn_refuses_a_root_of_zero_and_overflow():
    x = np.ones((1, 1, 1, 1), np.int64)
    with pytest.raises(InputError, match="beta"):
        numerics.gdn(x, np.array([0]), np.array([[1]]), shift=0)
    with pytest.raises(InputError, match="62 bits"):
        numerics.gdn(x << 31, np.array([1]), np.array([[2]]), shift=0)
