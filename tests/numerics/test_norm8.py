"""Integer statistics and maps of normalization: the compiled kernel against NumPy, and against float64."""

import needs
import numpy as np
import pytest

from vedette.errors import InputError
from vedette.numerics import norm8, product8

needs_kernel = needs.native(product8.kernel())
SHAPES = [(1, 1), (3, 31), (256, 16), (300, 17), (2000, 3), (5, 1000), (4, 513)]


def matrix(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng([*shape, seed]).integers(-128, 128, shape).astype(np.int8)


def both(monkeypatch, call):
    with monkeypatch.context() as patch:
        patch.setattr(norm8, "kernel", lambda: None)
        wanted = call()
    return call(), wanted


@needs_kernel
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("squared", [True, False])
def test_statistics_of_the_kernel_are_those_of_numpy(shape, rows, squared, monkeypatch):
    for x in (matrix(shape), np.full(shape, -128, np.int8), np.full(shape, 127, np.int8)):
        found, wanted = both(monkeypatch, lambda x=x: norm8.statistics(x, rows=rows, squared=squared))
        for name in ("sums", "least", "most", "deviations", "means"):
            assert np.array_equal(getattr(found, name), getattr(wanted, name)), name


@needs_kernel
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("with_gain", [True, False])
@pytest.mark.parametrize("step", [None, 0.037])
def test_maps_of_the_kernel_are_those_of_numpy(shape, rows, with_gain, step, monkeypatch):
    random = np.random.default_rng(1)
    groups, others = shape if rows else shape[::-1]
    a, b = (random.normal(size=groups).astype(np.float32) for _ in range(2))
    gain, offset = (random.normal(size=others).astype(np.float32) for _ in range(2))
    options = {"gain": gain, "offset": offset} if with_gain else {}
    x = matrix(shape)
    found, wanted = both(monkeypatch, lambda: norm8.apply(x, a, b, rows=rows, step=step, **options))
    assert found.dtype == wanted.dtype and np.array_equal(found, wanted)


@needs_kernel
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [True, False])
def test_maps_far_beyond_the_range_are_clamped(shape, rows, monkeypatch):
    x = matrix(shape)
    groups = shape[0] if rows else shape[1]
    for size in (1e3, 1e12, np.inf):
        a = np.full(groups, size, np.float32)
        b = np.zeros(groups, np.float32)
        found, wanted = both(monkeypatch, lambda a=a, b=b: norm8.apply(x | 1, a, b, rows=rows))
        assert np.array_equal(found, wanted) and set(np.abs(found).flat) == {127}


@needs_kernel
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [True, False])
def test_gradients_of_the_kernel_are_those_of_numpy(shape, rows, monkeypatch):
    g, x = matrix(shape, 1), matrix(shape, 2)
    random = np.random.default_rng(1)
    groups = shape[0] if rows else shape[1]
    p, q, r = (random.normal(size=groups).astype(np.float32) for _ in range(3))
    means = norm8.statistics(x, rows=rows).means
    found, wanted = both(monkeypatch, lambda: norm8.gradient_sums(g, x, means, rows=rows))
    assert all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True))
    for linear in (False, True):
        found, wanted = both(
            monkeypatch, lambda k=linear: norm8.gradient(g, x, means, p, q, r, rows=rows, linear=k)
        )
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("rows", [True, False])
def test_the_deviation_is_within_half_a_step_of_the_exact_one(rows):
    """|x - c| summed about the rounded mean c: c is at most 1/2 from the mean."""
    x = matrix((90, 200))
    axis = 1 if rows else 0
    exact = np.abs(x - x.mean(axis, keepdims=True)).mean(axis)
    found = norm8.statistics(x, rows=rows)
    assert np.abs(found.deviations / found.count - exact).max() <= 0.5


def test_groups_without_values_are_refused():
    with pytest.raises(InputError, match="groups of 0 values"):
        norm8.statistics(np.zeros((0, 3), np.int8), rows=False)


@needs_kernel
@pytest.mark.parametrize("shape", [(3, 31), (4099, 33), (1024, 777)])
@pytest.mark.parametrize("rows", [True, False])
@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_changes_nothing(shape, rows, threads):
    x, g = matrix(shape), matrix(shape, 1)
    random = np.random.default_rng(2)
    groups, others = shape if rows else shape[::-1]
    a, b, means, r = (random.normal(size=groups).astype(np.float32) for _ in range(4))
    gain, offset = (random.normal(size=others).astype(np.float32) for _ in range(2))

    def results(threads: int) -> list[np.ndarray]:
        options = {"rows": rows, "threads": threads}
        found = []
        for squared in (True, False):
            s = norm8.statistics(x, squared=squared, **options)
            found += [s.sums, s.least, s.most, s.deviations]
        found += [norm8.apply(x, a, b, step=step, **options) for step in (None, 0.1)]
        found += [norm8.apply(x, a, b, gain=gain, offset=offset, **options)]
        found += norm8.gradient_sums(g, x, means, **options)
        return [*found, *(norm8.gradient(g, x, means, a, b, r, linear=k, **options) for k in (True, False))]

    for one, several in zip(results(1), results(threads), strict=True):
        assert np.array_equal(one, several)
