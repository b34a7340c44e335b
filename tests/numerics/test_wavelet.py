"""Floating-point wavelets: perfect reconstruction, the published filters, blind where they should be."""

import numpy as np
import pytest
import pywt

from vedette.errors import InputError, UnknownNameError
from vedette.numerics.wavelet import WAVELETS, analyze, dwt2, idwt2, synthesize

RANDOM = np.random.default_rng(3)
SIZES = range(1, 34)
PYWT = {"haar": "haar", "5/3": "bior2.2", "9/7": "bior4.4"}
FILTERS = [name for name in WAVELETS if name != "lazy"]  # which parts samples and filters nothing


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_back(wavelet, size):
    x = RANDOM.normal(size=(2, size))
    low, high = analyze(x, wavelet)
    assert (low.shape[1], high.shape[1]) == ((size + 1) // 2, size // 2)
    assert np.allclose(synthesize(low, high, wavelet), x, atol=1e-12)
    image = RANDOM.normal(size=(size, 34 - size))
    assert np.allclose(idwt2(dwt2(image, wavelet), wavelet), image, atol=1e-12)
    if size % 2 == 0:
        ring = analyze(x, wavelet, extension="periodic")
        assert np.allclose(synthesize(*ring, wavelet, extension="periodic"), x, atol=1e-12)


@pytest.mark.parametrize("wavelet", WAVELETS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_any_axis_is_that_axis(wavelet, axis):
    x = RANDOM.normal(size=(5, 6, 7))
    kept = x.copy()
    low, high = analyze(x, wavelet, axis=axis)
    expected = analyze(np.moveaxis(x, axis, -1), wavelet)
    assert np.array_equal(np.moveaxis(low, axis, -1), expected[0])
    assert np.array_equal(np.moveaxis(high, axis, -1), expected[1])
    assert np.array_equal(x, kept)


@pytest.mark.parametrize("wavelet", FILTERS)
@pytest.mark.parametrize("size", range(16, 34, 2))
def test_rings_are_those_of_pywt(wavelet, size):
    """Up to a rotation of each band and its sign, which are conventions."""
    x = RANDOM.normal(size=size)
    for ours, theirs in zip(
        analyze(x, wavelet, extension="periodic"),
        pywt.dwt(x, PYWT[wavelet], mode="periodization"),
        strict=True,
    ):
        shifts = [sign * np.roll(theirs, n) for n in range(len(theirs)) for sign in (1, -1)]
        assert min(np.abs(ours - shifted).max() for shifted in shifts) < 1e-9


@pytest.mark.parametrize("size", range(2, 34))
def test_mirrored_ends_are_those_of_pywt(size):
    """A signal extended by hand, whole-sample symmetric as pywt's "reflect", gives the same bands."""
    x = RANDOM.normal(size=size)
    extended = np.pad(x, 16, mode="reflect")
    for wavelet in ("5/3", "9/7"):
        low, high = analyze(x, wavelet)
        far_low, far_high = analyze(extended, wavelet)
        assert np.allclose(far_low[8 : 8 + len(low)], low)
        assert np.allclose(far_high[8 : 8 + len(high)], high)


@pytest.mark.parametrize(("wavelet", "moments"), [("haar", 1), ("5/3", 2), ("9/7", 4)])
@pytest.mark.parametrize("size", [33, 32])
def test_high_bands_are_blind_to_polynomials(wavelet, moments, size):
    t = np.linspace(-1, 1, size)
    for power in range(moments):
        _, high = analyze(t**power, wavelet)
        assert np.abs(high[2:-2]).max() < 1e-9
    _, high = analyze(t**moments, wavelet)
    assert np.abs(high[2:-2]).max() > 1e-6


def test_the_lazy_wavelet_parts_even_and_odd_samples():
    low, high = analyze(np.arange(7.0), "lazy")
    assert low.tolist() == [0, 2, 4, 6] and high.tolist() == [1, 3, 5]


@pytest.mark.parametrize("wavelet", FILTERS)
@pytest.mark.parametrize("size", SIZES)
def test_constants_stay_low_and_grow_by_root_2(wavelet, size):
    low, high = analyze(np.full(size, 3.0), wavelet)
    assert np.abs(high).max(initial=0) < 1e-9
    lone = size == 1 and wavelet == "9/7"  # only scaled
    gain = WAVELETS["9/7"].low_gain if lone else 2**0.5
    assert np.allclose(low, 3 * gain)


@pytest.mark.parametrize(("wavelet", "within"), [("haar", 1e-12), ("9/7", 0.02)])
@pytest.mark.parametrize("size", range(2, 34, 2))
def test_white_noise_keeps_its_energy(wavelet, within, size):
    bands = analyze(np.eye(size), wavelet, extension="periodic")
    assert abs(sum((band**2).sum() for band in bands) / size - 1) < within


def test_what_cannot_be_split_is_refused():
    with pytest.raises(InputError, match="without samples"):
        analyze(np.zeros(0))
    with pytest.raises(InputError, match="ring"):
        analyze(np.zeros(5), extension="periodic")
    with pytest.raises(InputError, match="low band"):
        synthesize(np.zeros(1), np.zeros(2))
    with pytest.raises(UnknownNameError, match="db2"):
        analyze(np.zeros(4), "db2")
