"""Convolutions of 16-bit integers: every target and thread count gives what int64 gives."""

import needs
import numpy as np
import pytest

from vedette.errors import InputError
from vedette.numerics import conv16

SHAPES = [  # batch, height, width, inputs, outputs, kernel
    (1, 5, 7, 3, 20, 3),
    (2, 9, 8, 4, 16, 1),
    (1, 1, 1, 5, 49, 3),
    (1, 3, 17, 600, 33, 3),
    (3, 4, 300, 1, 1, 3),
    (1, 6, 5, 2, 97, 5),
    (1, 2, 3, 1, 48, 1),
]


def problem(shape, weight_max=300, act_max=1023):
    random = np.random.default_rng(sum(shape))
    batch, height, width, inputs, outputs, kernel = shape
    x = random.integers(-act_max, act_max + 1, (batch, height, width, inputs)).astype(np.float32)
    weight = random.integers(-weight_max, weight_max + 1, (outputs, inputs, kernel, kernel)).astype(np.int16)
    bias = random.integers(-(10**6), 10**6, outputs).astype(np.int32)
    return x, weight, bias, random.integers(0, 12, outputs).astype(np.int32)


@needs.native(conv16.kernel())
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("target", conv16.TARGETS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_kernel_is_the_reference(shape, target, threads):
    if target not in conv16.targets():
        pytest.skip(f"this processor has no {target}")
    x, weight, *rest = problem(shape)
    expected = conv16.reference(x, weight, *rest, -(2**20), 2**20)
    planes = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    for given in (x, planes):
        got = conv16.convolve(
            given, conv16.pack(weight), *rest, -(2**20), 2**20, threads=threads, target=target
        )
        assert np.array_equal(got, expected)


@needs.native(conv16.kernel())
@pytest.mark.parametrize("target", conv16.targets())
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_reach_the_end_of_32_bits(target, sign):
    """2^31 - 1 and its negative: two inputs of the largest weights, and a bias that fills the rest."""
    x = np.full((1, 1, 1, 2), 2**15 - 1, np.float32)
    weight = np.full((1, 2, 1, 1), sign * (2**15 - 1), np.int16)
    rest = 2**31 - 1 - 2 * (2**15 - 1) ** 2
    bias, shifts = np.array([sign * rest], np.int32), np.array([8], np.int32)
    got = conv16.convolve(x, conv16.pack(weight), bias, shifts, -(2**24), 2**24, target=target)
    assert got.item() == sign * (2**31 - 1) >> 8


@needs.native(conv16.kernel())
def test_results_are_clamped_and_the_input_may_be_a_view():
    x, weight, bias, shifts = problem(SHAPES[0])
    turned = np.ascontiguousarray(x.transpose(0, 2, 1, 3)).transpose(0, 2, 1, 3)
    packed = conv16.pack(weight)
    got = conv16.convolve(turned, packed, bias, shifts, -5, 7)
    assert np.array_equal(got, conv16.reference(x, weight, bias, shifts, -5, 7))
    assert (got.min(), got.max()) == (-5, 7)
    assert conv16.convolve(x[:, :0], packed, bias, shifts, -5, 7).shape == (1, 0, 7, 20)


def test_without_the_kernel_the_reference_runs(monkeypatch):
    monkeypatch.setattr(conv16, "kernel", lambda: None)
    x, weight, *rest = problem(SHAPES[0])
    got = conv16.convolve(x, conv16.pack(weight), *rest, -1023, 1023)
    assert np.array_equal(got, conv16.reference(x, weight, *rest, -1023, 1023))


def test_even_kernels_are_refused():
    with pytest.raises(InputError, match="2 x 2"):
        conv16.pack(np.ones((1, 1, 2, 2), np.int16))
