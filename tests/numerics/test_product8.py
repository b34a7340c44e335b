"""The 8-bit product in every instruction set against int64, with hard shapes and extreme values."""

import needs
import numpy as np
import pytest

from vedette.errors import InputError, LimitError
from vedette.numerics import product8
from vedette.numerics.product8 import Inner, Patches

needs_kernel = needs.native(product8.kernel())
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
    k = ((1 << 31) - 1) // product8.LARGEST
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
    long = np.zeros((1, 1 << 17), np.int8)
    with pytest.raises(LimitError, match="131,072"):
        product8.product(long, long)
    assert product8.product(long, long, largest=49)[0, 0] == 0


@needs_kernel
@pytest.mark.parametrize("target", range(3))
@pytest.mark.parametrize("shape", [*SHAPES, (100, 70, 1100), (3, 200, 513)])
def test_operands_of_either_layout_and_shifts_give_the_same_sums(shape, target):
    if target >= len(product8.targets()):
        pytest.skip("this processor has no such instructions")
    name = product8.targets()[target]
    a, b = matrices(*shape)
    a2, b2 = Inner(np.ascontiguousarray(a.T)), Inner(np.ascontiguousarray(b.T))
    wanted = product8.reference(a, b)
    for left, right in ((a2, b), (a, b2), (a2, b2)):
        assert np.array_equal(product8.product(left, right, target=name, threads=2), wanted)
    small_a, small_b = a // 16, b // 16
    exponents = np.random.default_rng(1).choice([0, 2, 3, 5], shape[2])  # group 1 and 4 are empty
    shifts = product8.horner(exponents)
    weights = 2 ** (exponents.max(initial=0) - exponents)
    wanted = ((small_a * weights.astype(np.int64)) @ small_b.T.astype(np.int64)).astype(np.int32)
    assert np.array_equal(product8.reference(small_a, small_b, shifts), wanted)
    for left, right in (
        (small_a, small_b),
        (Inner(small_a.T), Inner(small_b.T)),
        (small_a, Inner(small_b.T)),
    ):
        found = product8.product(left, right, shifts=shifts, target=name)
        assert np.array_equal(found, wanted)


IMAGES = [
    # height, width, channels, kernel, padding, stride, dilation, up
    (7, 9, 5, (3, 3), (1, 1), 1, 1, 1),
    (8, 8, 16, (3, 3), (1, 1), 2, 1, 1),
    (6, 5, 4, (1, 1), (0, 0), 1, 1, 1),
    (9, 9, 3, (3, 2), (2, 1), 1, 2, 1),
    (4, 5, 7, (3, 3), (1, 1), 1, 1, 2),
    (4, 3, 2, (5, 5), (4, 4), 1, 1, 3),
]


def patches(case: tuple, *, inner: bool) -> Patches:
    height, width, channels, kernel, padding, stride, dilation, up = case
    image = np.random.default_rng(height).integers(-128, 128, (2, height, width, channels)).astype(np.int8)
    out = tuple(
        (up * (side - 1) + 1 + 2 * p - dilation * (k - 1) - 1) // stride + 1
        for side, p, k in zip((height, width), padding, kernel, strict=True)
    )
    return Patches(
        image=image,
        kernel=kernel,
        padding=padding,
        out=out,
        stride=stride,
        dilation=dilation,
        up=up,
        inner=inner,
    )


@needs_kernel
@pytest.mark.parametrize("target", range(3))
@pytest.mark.parametrize("case", IMAGES)
def test_patches_are_multiplied_without_being_laid_out(case, target):
    if target >= len(product8.targets()):
        pytest.skip("this processor has no such instructions")
    name = product8.targets()[target]
    random = np.random.default_rng(3)
    rows = patches(case, inner=False)
    weights = random.integers(-128, 128, (20, rows.shape[1])).astype(np.int8)
    assert np.array_equal(
        product8.product(rows, weights, target=name, threads=2), product8.reference(rows.matrix(), weights)
    )
    columns = patches(case, inner=True)
    gradient = random.integers(-128, 128, (columns.shape[1], 10)).astype(np.int8)
    wanted = product8.reference(gradient.T, columns.matrix())
    assert np.array_equal(product8.product(Inner(gradient), columns, target=name), wanted)
    shifts = product8.horner(random.integers(0, 3, columns.shape[1]))
    assert np.array_equal(
        product8.product(Inner(gradient), columns, shifts=shifts, target=name),
        product8.reference(gradient.T, columns, shifts),
    )


@pytest.mark.parametrize("case", IMAGES)
def test_patches_are_those_of_a_convolution(case):
    """Held to torch: float64 sums of integers are exact."""
    import torch

    height, width, channels, kernel, padding, stride, dilation, up = case
    rows = patches(case, inner=False)
    weight = np.random.default_rng(2).integers(-128, 128, (3, *kernel, channels))
    spread = np.zeros((2, up * (height - 1) + 1, up * (width - 1) + 1, channels))
    spread[:, ::up, ::up] = rows.image
    wanted = torch.nn.functional.conv2d(
        torch.from_numpy(spread).permute(0, 3, 1, 2),
        torch.from_numpy(weight).permute(0, 3, 1, 2).double(),
        stride=stride,
        padding=padding,
        dilation=dilation,
    )
    found = product8.reference(rows, weight.reshape(3, -1).astype(np.int8))
    assert np.array_equal(found.reshape(2, *rows.out, 3), wanted.permute(0, 2, 3, 1).numpy())


def test_an_empty_dimension_has_no_weights():
    assert product8.horner(np.zeros(0, np.int64)).weights(0).tolist() == []
