"""The C++ integer operators give, to the bit, what the NumPy references give: here, sanitized, and on ARM."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from vedette import numerics
from vedette.errors import InputError
from vedette.numerics.lifting import WAVELETS, steps_of

CONV2D, REQUANTIZE, PRODUCT, LOOKUP, ISQRT, GDN, LIFT = range(7)
LOW, HIGH = -(2**31), 2**31 - 1
WIDE_ENDS = np.array([-(2**63), -(2**63) + 1, -(2**62), -1, 0, 1, 2**62 - 1, 2**62, 2**63 - 2, 2**63 - 1])


@dataclass(frozen=True)
class Call:
    """One call of an operator, and what the reference gave; None where it refused."""

    numbers: tuple[int, ...]
    arrays: tuple[np.ndarray, ...]
    expected: np.ndarray | None


def call(
    numbers: tuple[int, ...], arrays: tuple[np.ndarray, ...], reference: Callable[[], np.ndarray]
) -> Call:
    try:
        return Call(numbers, arrays, reference())
    except InputError:
        return Call(numbers, arrays, None)


def int32(values: np.ndarray) -> np.ndarray:
    assert not values.size or LOW <= values.min() <= values.max() <= HIGH
    return values.astype(np.int32)


@pytest.fixture
def check(build, tmp_path):
    """Compares every call; of them `refused` must be refused."""
    program = build("integer_main.cpp", "integer.cpp")

    def compare(calls: list[Call], refused: int) -> None:
        arrays = [np.array([len(calls)])]
        for one in calls:
            arrays += [np.array(one.numbers, dtype=np.int64), *one.arrays]
        results = program.run(arrays, tmp_path)
        assert len(results) == 2 * len(calls)
        for one, status, result in zip(calls, results[::2], results[1::2], strict=True):
            assert (int.from_bytes(status, "little") == 0) == (one.expected is not None), one
            expected = np.zeros(0) if one.expected is None else one.expected
            assert np.array_equal(np.frombuffer(result, np.int64), expected.ravel()), one
        assert sum(one.expected is None for one in calls) == refused

    return compare


def conv2d_call(x, weight, bias, stride, padding):
    """`x` without a batch."""
    outputs, inputs, *kernel = weight.shape
    rows, columns = ((n + 2 * padding - k) // stride + 1 for n, k in zip(x.shape[1:], kernel, strict=True))
    size = max(0, outputs * rows * columns)
    numbers = (CONV2D, *x.shape[1:], inputs, outputs, *kernel, stride, padding, size)
    arrays = (int32(x), int32(weight), np.zeros(0, np.int64) if bias is None else bias)
    return call(
        numbers, arrays, lambda: numerics.conv2d(x[None], weight, bias, stride=stride, padding=padding)
    )


def test_conv2d(check):
    random, calls = np.random.default_rng(1), []
    for trial in range(120):
        inputs, outputs, height, width = random.integers(1, 9, 4)
        kernel = random.integers(1, 6, 2)
        stride, padding = int(random.integers(1, 4)), int(random.integers(0, 4))
        kernel = np.minimum(kernel, np.array([height, width]) + 2 * padding)
        reach = 2 ** int(random.integers(1, 31)) if trial % 2 else 2**10
        x = random.integers(-reach, reach, (inputs, height, width))
        weight = random.integers(-reach, reach, (outputs, inputs, *kernel))
        bias = random.integers(-(2**40), 2**40, outputs) if trial % 3 else None
        calls.append(conv2d_call(x, weight, bias, stride, padding))
    x, weight = random.integers(-1023, 1024, (97, 33, 29)), random.integers(-(2**15), 2**15, (5, 97, 3, 3))
    calls.append(conv2d_call(x, weight, None, 1, 1))
    wide = sum(one.expected is None for one in calls)
    assert wide < len(calls) / 8  # random ones whose sums could leave int64: refused by both

    low, high, one = np.full((1, 1, 1), LOW), np.full((1, 1, 1), HIGH), np.ones((1, 1, 1), np.int64)
    low_weight, unit = low[None], one[None]
    room = 2**63 - 1 - 2**62
    calls += [
        conv2d_call(low, low_weight, None, 1, 0),  # 2^62
        conv2d_call(low, low_weight, np.array([room]), 1, 0),  # just 2^63 - 1
        conv2d_call(high, low_weight, np.array([-(2**62)]), 1, 0),
        conv2d_call(0 * one, low_weight, np.array([2**63 - 1]), 2, 1),
        conv2d_call(np.zeros((1, 0, 3), np.int64), np.ones((1, 1, 3, 3), np.int64), np.array([7]), 2, 2),
        conv2d_call(one, np.ones((1, 1, 3, 3), np.int64), None, 1, 9),  # mostly around the image
    ]
    refused = [
        conv2d_call(low, low_weight, np.array([room + 1]), 1, 0),
        conv2d_call(low, low_weight, np.array([-room - 1]), 1, 0),
        conv2d_call(0 * one, unit, np.array([-(2**63)]), 1, 0),
        conv2d_call(np.full((2, 1, 1), LOW), np.full((1, 2, 1, 1), LOW), None, 1, 0),  # 2^63
        conv2d_call(np.full((4, 1, 1), LOW), np.full((1, 4, 1, 1), LOW), None, 1, 0),  # 2^64
        conv2d_call(low, np.array([0, LOW])[:, None, None, None], np.array([0, room + 1]), 1, 0),
        conv2d_call(one, np.ones((1, 1, 1, 2), np.int64), None, 1, 0),
        conv2d_call(one, np.ones((1, 1, 4, 1), np.int64), None, 1, 1),
    ]
    assert all(one.expected is None for one in refused)
    check(calls + refused, wide + 8)


def requantize_call(sums, shifts, low, high):
    shaped = sums.reshape(len(shifts), -1, 1)
    arrays = (sums, np.array(shifts, dtype=np.int32))
    return call((REQUANTIZE, low, high), arrays, lambda: numerics.requantize(shaped, shifts, low, high))


def test_requantize(check):
    random, calls = np.random.default_rng(2), []
    limits = [(LOW, HIGH), (0, 1023), (-512, 511), (HIGH, HIGH), (LOW, LOW)]
    for shift in range(63):
        sums = random.integers(-(2**63), 2**63 - 1, 200) >> random.integers(0, 63, 200)
        half = (1 << shift) // 2
        ties = random.integers(-(2**62) >> shift, 2**62 >> shift, 50) * (1 << shift) + half
        values = np.concatenate([sums, ties, ties - 1, ties + 1, WIDE_ENDS])
        calls += [requantize_call(values, [shift], low, high) for low, high in limits]
    calls.append(requantize_call(np.tile(WIDE_ENDS, 4), [0, 1, 33, 62], LOW, HIGH))
    calls.append(requantize_call(np.zeros(0, np.int64), [3], 0, 1))
    wrong = [([63], 0, 1), ([-1], 0, 1), ([1, 63], 0, 1), ([1], 1, 0)]
    calls += [requantize_call(WIDE_ENDS, shifts, low, high) for shifts, low, high in wrong]
    check(calls, refused=4)


def product_call(a, b, shifts):
    shaped = (values.reshape(len(shifts), -1, 1) for values in (a, b))
    arrays = (int32(a), int32(b), np.array(shifts, dtype=np.int32))
    return call((PRODUCT,), arrays, lambda: numerics.product(*shaped, shifts))


def test_product(check):
    random, calls = np.random.default_rng(3), []
    ends = np.array([LOW, LOW + 1, -3, -1, 0, 1, 3, HIGH])
    for shift in range(63):
        a, b = (random.integers(LOW, HIGH + 1, 300) >> random.integers(0, 31, 300) for _ in range(2))
        calls.append(product_call(a, b, [shift]))
        calls.append(product_call(np.repeat(ends, len(ends)), np.tile(ends, len(ends)), [shift]))
    calls.append(product_call(np.tile(ends, 3), np.tile(ends[::-1], 3), [0, 7, 62]))
    calls += [product_call(ends, ends, [wrong]) for wrong in (63, -1)]
    check(calls, refused=2)


def lookup_call(x, table, first):
    return call((LOOKUP, first), (x, table), lambda: numerics.lookup(x, table, first=first))


def test_lookup(check):
    random, calls = np.random.default_rng(4), []
    for size in (1, 2, 7, 1000):
        table = random.integers(-(2**63), 2**63 - 1, size)
        for first in (0, -1, 5, -size, -(2**62), -(2**63), 2**63 - 1 - size):
            near = first + random.integers(0, size, 200)
            calls.append(lookup_call(np.concatenate([near, WIDE_ENDS]), table, first))
            if abs(first) < 2**40:
                calls.append(lookup_call(first + np.arange(-9, size + 9), table, first))
    calls.append(lookup_call(np.zeros(0, np.int64), np.ones(1, np.int64), 0))
    calls.append(lookup_call(WIDE_ENDS, np.zeros(0, np.int64), 0))
    check(calls, refused=1)


def isqrt_call(n):
    return call((ISQRT,), (n,), lambda: numerics.isqrt(n))


def test_isqrt(check):
    random = np.random.default_rng(5)
    roots = np.concatenate(
        [np.arange(1, 2000), random.integers(2**20, 2**31, 20_000), 2**31 - np.arange(99), [2**26, 2**27]]
    )
    squares = roots * roots
    numbers = np.concatenate(
        [squares - 1, squares, (squares + 1)[squares < 2**62], random.integers(0, 2**62, 9999)]
    )
    calls = [
        isqrt_call(values) for values in (numbers, np.array([0]), np.array([2**62]), np.zeros(0, np.int64))
    ]
    calls += [isqrt_call(np.array([4, wrong])) for wrong in (-1, -(2**63), 2**62 + 1, 2**63 - 1)]
    check(calls, refused=4)


def gdn_calls(x, beta, gamma, shift):
    """GDN and IGDN; `x` is (channels, pixels)."""
    shaped = x[None, :, :, None]
    return [
        call(
            (GDN, shift, inverse),
            (int32(x), beta, int32(gamma)),
            lambda i=inverse: numerics.gdn(shaped, beta, gamma, shift=shift, inverse=bool(i)),
        )
        for inverse in (0, 1)
    ]


def test_gdn(check):
    random, calls = np.random.default_rng(6), []
    for _ in range(60):
        channels, pixels, shift = random.integers(1, 9), random.integers(1, 40), int(random.integers(0, 31))
        reach = 2 ** int(random.integers(1, 30))
        x = random.integers(-reach, reach + 1, (channels, pixels))
        most = 2**62 // (int(channels) * reach * reach)  # of a gamma: the sums then nearly fill 2^62
        gamma = random.integers(0, min(most, HIGH) + 1, (channels, channels))
        gamma >>= random.integers(0, 31, (channels, 1))
        beta = random.integers(1, 2 ** random.integers(1, 61), channels)
        calls += gdn_calls(x, beta, gamma, shift)
    wide = sum(one.expected is None for one in calls)
    assert wide < len(calls) / 3  # random ones whose norm could leave 2^62: refused by both

    zero, ends = np.zeros((1, 1), np.int64), np.array([[LOW, -1, 0, 1, HIGH]])
    calls += gdn_calls(ends, np.array([2**62 - 1]), zero, 29)
    calls += gdn_calls(ends, np.array([1]), zero, 29)
    calls += gdn_calls(ends[:, 1:], np.array([2**62]), zero, 29)
    calls += gdn_calls(np.array([[-(2**15), 2**15]]), np.array([2**62 - 2**61]), np.array([[2**31 - 1]]), 30)
    calls += gdn_calls(np.array([[3], [4]]), np.array([11, 24]), np.array([[1, 1], [0, 0]]), 4)
    small = np.array([[5, -5]])
    refused = [
        *gdn_calls(ends, np.array([2**62]), zero, 3),  # x root could be 2^62
        *gdn_calls(ends, np.array([1]), zero, 30),  # x 2^(shift + 1)
        *gdn_calls(ends, np.array([1]), zero + 1, 3),  # the norm
        *gdn_calls(small, np.array([2**62 - 24]), zero + 1, 3),
        *gdn_calls(small, np.array([0]), zero, 3),
        *gdn_calls(small, np.array([1]), zero - 1, 3),
        *gdn_calls(small, np.array([1]), zero, 31),
        *gdn_calls(small, np.array([1]), zero, -1),
    ]
    assert all(one.expected is None for one in refused)
    calls += gdn_calls(small, np.array([2**62 - 25]), zero + 1, 3)
    check(calls + refused, wide + 16)


def interleaved(low, high):
    x = np.empty(len(low) + len(high), dtype=np.int64)
    x[::2], x[1::2] = low, high
    return x


def lift_calls(x, wavelet):
    """There, and from `x` taken as bands back."""
    steps = np.array([(s.factor, s.offset, s.shift) for s in steps_of(wavelet)], dtype=np.int64)
    return [
        call((LIFT, 0), (steps, x), lambda: interleaved(*numerics.analyze(x, wavelet))),
        call((LIFT, 1), (steps, x), lambda: numerics.synthesize(x[::2], x[1::2], wavelet)),
    ]


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_lifting(check, wavelet):
    random, calls, most = np.random.default_rng(7), [], 2**40
    for length in [*range(1, 20), 97, 256]:
        for reach in (9, 2**16, most):
            calls += lift_calls(random.integers(-reach, reach + 1, length), wavelet)
        calls += lift_calls(random.choice([-most, most], length), wavelet)
        sign = np.where(np.arange(length) % 2, most, -most)
        calls += lift_calls(sign, wavelet)
    bands = random.choice([-(2**45), 2**45], 64)
    calls += [lift_calls(bands, wavelet)[1], lift_calls(bands + bands // 2**45, wavelet)[1]]
    calls += lift_calls(np.array([most + 1]), wavelet)
    calls += [*lift_calls(np.array([0, -most - 1]), wavelet), lift_calls(np.zeros(0, np.int64), wavelet)[0]]
    check(calls, refused=4)


def test_lifting_comes_back(check):
    """The bands of NumPy, through C++, are the signal again."""
    x = np.random.default_rng(8).integers(-(2**40), 2**40, 333)
    calls = []
    for wavelet in WAVELETS:
        (_, backward) = lift_calls(interleaved(*numerics.analyze(x, wavelet)), wavelet)
        calls.append(Call(backward.numbers, backward.arrays, x))
    check(calls, refused=0)
