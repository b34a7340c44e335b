"""The 8-bit product in every instruction set against int64, with hard shapes and extreme values."""

import numpy as np
import pytest

from vedette.errors import InputError, LimitError
from vedette.numerics import product8

needs_kernel = pytest.mark.skipif(product8.kernel() is None, reason="the compiled module is not built")
SHAPES = [(1, 1, 1), (5, 64, 4), (6, 65, 5), (7, 63, 129), (13, 1, 66), (1, 130, 7), (37, 41, 43), (3, 2, 0)]


def matrices(m: int, n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(m + 7 * n + 31 * k)
    return tuple(random.integers(-128, 128, (rows, k)).astype(np.int8) for rows in (m, n))  # type: ignore[return-value]


@needs_kernel
@pytest.mark.parametrize("target", range(3))
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_target_gives_the_exact_sums(shape, threads, target):
    if target >= len(product8.targets()):
        pytest.skip("this processor has no such instructions")
    a, b = matrices(*shape)
    found = product8.product(a, b, threads=threads, target=product8.targets()[target])
    assert np.array_equal(found, product8.reference(a, b))


@needs_kernel
@pytest.mark.parametrize("target", range(3))
def test_the_longest_and_most_extreme_sum_does_not_overflow(target):
    if target >= len(product8.targets()):
        pytest.skip("this processor has no such instructions")
    k = product8.INNER_MOST
    for left, right in ((-128, -128), (-128, 127), (127, 127)):
        a, b = np.full((2, k), left, np.int8), np.full((3, k), right, np.int8)
        found = product8.product(a, b, target=product8.targets()[target])
        assert (found == left * right * k).all()


@needs_kernel
@pytest.mark.parametrize("target", range(3))
@pytest.mark.parametrize("with_bias", [False, True])
def test_scales_and_bias_are_applied_in_float32_in_their_order(with_bias, target):
    if target >= len(product8.targets()):
        pytest.skip("this processor has no such instructions")
    a, b = matrices(11, 70, 33)
    random = np.random.default_rng(1)
    rows, columns, bias = (random.normal(size=size).astype(np.float32) for size in (11, 70, 70))
    wanted = product8.reference(a, b).astype(np.float32) * rows[:, None] * columns
    wanted = wanted + bias if with_bias else wanted
    found = product8.scaled_product(
        a, b, rows, columns, bias if with_bias else None, target=product8.targets()[target]
    )
    assert np.array_equal(found, wanted)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="3 and 4"):
        product8.product(np.zeros((2, 3), np.int8), np.zeros((2, 4), np.int8))
    long = np.zeros((1, product8.INNER_MOST + 1), np.int8)
    with pytest.raises(LimitError, match="131,072"):
        product8.product(long, long)
