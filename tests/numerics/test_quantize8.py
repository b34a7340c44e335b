"""The compiled quantizers against NumPy, and what they promise: nothing clipped, right on average."""

import needs
import numpy as np
import pytest

from vedette.errors import InputError
from vedette.numerics import product8, quantize8, symmetric

needs_kernel = needs.native(product8.kernel())
SHAPES = [
    (1, 1),
    (3, 31),
    (5, 32),
    (4, 33),
    (7, 100),
    (2, 0),
    (0, 3),
    (130, 65),
    (5, 700),
    (90, 16),
    (3, 128),
]


def values(shape: tuple[int, int]) -> np.ndarray:
    random = np.random.default_rng(shape[0] + 1000 * shape[1])
    x = random.normal(size=shape).astype(np.float32) * np.exp(random.normal(size=shape[1])).astype(np.float32)
    x[random.random(shape) < 0.1] = 0
    return x


def without_kernel(monkeypatch, call):
    with monkeypatch.context() as patch:
        patch.setattr(quantize8, "kernel", lambda: None)
        return call()


@needs_kernel
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("threads", [1, 3])
def test_ranges_are_those_of_numpy(shape, threads):
    x = values(shape)
    rows, columns = quantize8.ranges(x, threads=threads)
    assert np.array_equal(rows, np.abs(x).max(1, initial=0))
    assert np.array_equal(columns, np.abs(x).max(0, initial=0))
    assert quantize8.ranges(x, columns=False)[1].size == 0
    by_column, by_row = (np.linspace(-1, 2, size).astype(np.float32) for size in reversed(shape))
    rows, columns = quantize8.ranges(x, column_factors=by_column, row_factors=by_row, threads=threads)
    assert np.array_equal(rows, np.abs(x * by_column).max(1, initial=0))
    assert np.array_equal(columns, np.abs(x * by_row[:, None]).max(0, initial=0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_ranges_that_are_not_finite(bad):
    x = np.ones((40, 50), np.float32)
    x[17, 33] = bad
    rows, columns = quantize8.ranges(x)
    assert np.flatnonzero(~np.isfinite(rows)).tolist() == [17]
    assert np.flatnonzero(~np.isfinite(columns)).tolist() == [33]


@needs_kernel
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("seed", [None, 0, 4_000_000_000])
@pytest.mark.parametrize("form", ["tensor", "rows", "columns", "columns and rows"])
def test_the_kernel_equals_the_reference(shape, bits, seed, form, monkeypatch):
    x = values(shape)
    random = np.random.default_rng(9)
    rows, columns = (np.exp(random.normal(size=size)).astype(np.float32) for size in shape)
    inverse = np.float32([symmetric.magnitude(bits)])
    options = {"bits": bits, "seed": seed}
    if form in ("rows", "columns and rows") and shape[0]:
        inverse = rows
    if form.startswith("columns"):
        options["columns"] = columns
    room = 8 - bits
    shifts = random.integers(0, room + 1, max(shape)).astype(np.int8)
    for extra in ({}, {"column_shifts": shifts[: shape[1]]}, {"row_shifts": shifts[: shape[0]]}):
        found = quantize8.quantize(x, inverse, **options, **extra, threads=2)
        wanted = without_kernel(monkeypatch, lambda e=extra: quantize8.quantize(x, inverse, **options, **e))
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 64, 1001])
def test_four_bit_values_come_back_from_half_the_bytes(count, monkeypatch):
    x = np.random.default_rng(count).integers(-8, 8, count).astype(np.int8)
    packed = quantize8.pack4(x)
    assert len(packed) == (count + 1) // 2
    assert np.array_equal(quantize8.unpack4(packed, count), x)
    assert np.array_equal(without_kernel(monkeypatch, lambda: quantize8.pack4(x)), packed)
    assert np.array_equal(without_kernel(monkeypatch, lambda: quantize8.unpack4(packed, count)), x)


def test_what_does_not_fit_is_refused():
    x = np.ones((2, 2), np.float32)
    with pytest.raises(InputError, match="6 bits shifted by up to 3"):
        quantize8.quantize(x, np.float32([1]), bits=6, column_shifts=np.int8([0, 3]))
    with pytest.raises(InputError, match="3 bytes"):
        quantize8.unpack4(np.zeros(3, np.uint8), 4)


@pytest.mark.parametrize("count", [0, 15, 16, 1000, 16384])
def test_errors_of_clipping_are_those_of_numpy_and_near_the_exact_ones(count, monkeypatch):
    x = np.random.default_rng(count).normal(size=count).astype(np.float32)
    steps = np.float32([0.01, 0.1, 0.5, 2])
    found = quantize8.clip_errors(x, steps, q=7)
    assert np.array_equal(found, without_kernel(monkeypatch, lambda: quantize8.clip_errors(x, steps, q=7)))
    used = x[: count // 16 * 16].astype(np.float64)
    wide = steps[:, None].astype(np.float64)
    exact = ((np.clip(np.rint(used / wide), -7, 7) * wide - used) ** 2).sum(1)
    assert np.allclose(found, exact, rtol=1e-4)
