"""Wavelets on tensors are the NumPy ones, in floats and in integers, and can be learned."""

import numpy as np
import pytest
import torch

from vedette import numerics
from vedette.errors import InputError
from vedette.nn.wavelet import Lifting, analyze, decompose, dwt2, dwt3, idwt2, idwt3, recompose, synthesize
from vedette.numerics import wavelet as reference

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("wavelet", reference.WAVELETS)
@pytest.mark.parametrize("size", range(1, 34))
def test_floats_are_the_reference(wavelet, size):
    x = RANDOM.normal(size=(2, size, 3))
    extensions = ["symmetric", "periodic"] if size % 2 == 0 else ["symmetric"]
    for extension in extensions:
        bands = analyze(torch.from_numpy(x), wavelet, dim=1, extension=extension)
        for band, expected in zip(
            bands, reference.analyze(x, wavelet, axis=1, extension=extension), strict=True
        ):
            assert np.allclose(band.numpy(), expected, atol=1e-12)
        assert np.allclose(synthesize(*bands, wavelet, dim=1, extension=extension).numpy(), x, atol=1e-12)
    single = torch.from_numpy(x).float()
    assert (synthesize(*analyze(single, wavelet, dim=1), wavelet, dim=1) - single).abs().max() < 1e-5


@pytest.mark.parametrize("wavelet", reference.WAVELETS)
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (5, 3), (8, 10), (17, 32)])
def test_planes_and_volumes_come_back(wavelet, height, width):
    x = torch.rand(2, 6, height, width, dtype=torch.float64)
    for ours, expected in zip(dwt2(x, wavelet), reference.dwt2(x.numpy(), wavelet), strict=True):
        assert np.allclose(ours.numpy(), expected, atol=1e-12)
    assert torch.allclose(idwt2(dwt2(x, wavelet), wavelet), x)
    assert torch.allclose(idwt3(*dwt3(x, wavelet), wavelet), x)
    for levels in (1, 2, 3):
        assert torch.allclose(recompose(*decompose(x, levels, wavelet), wavelet), x)


@pytest.mark.parametrize("wavelet", ["5/3", "9/7"])
@pytest.mark.parametrize("size", range(1, 34))
def test_fixed_point_steps_are_the_integer_reference(wavelet, size):
    """But for the gains, which the integer wavelets leave to the quantizer."""
    x = RANDOM.integers(-(2**20), 2**20, (3, size))
    bank = reference.WAVELETS[wavelet]
    bare = reference.Wavelet(bank.factors, 1.0, 1.0)
    bands = analyze(torch.from_numpy(x).double(), bare, fixed=True)
    for band, expected in zip(bands, numerics.analyze(x, wavelet), strict=True):
        assert np.array_equal(band.numpy(), expected)
    assert np.array_equal(synthesize(*bands, bare, fixed=True).numpy(), x)


@pytest.mark.parametrize("wavelet", reference.WAVELETS)
def test_fixed_point_follows_floats(wavelet):
    x = torch.randint(-1023, 1024, (1, 6, 8, 10)).double()
    integers, floats = dwt3(x, wavelet, fixed=True), dwt3(x, wavelet)
    for half, expected in zip(integers, floats, strict=True):
        for band, wanted in zip(half, expected, strict=True):
            assert torch.equal(band, band.round())
            assert (band - wanted).abs().max() < 6
    assert (idwt3(*integers, wavelet, fixed=True) - x).abs().max() < 12


def test_what_is_learned_still_comes_back():
    torch.manual_seed(1)
    lifting = Lifting("9/7", learn=True)
    x = torch.rand(1, 3, 8, 12)
    assert torch.allclose(lifting(x), Lifting("9/7")(x))
    optimizer = torch.optim.SGD(lifting.parameters(), lr=0.02)
    before = lifting(x)[:, 3:].square().mean().item()
    for _ in range(20):
        optimizer.zero_grad()
        lifting(x)[:, 3:].square().mean().backward()
        optimizer.step()
    assert lifting(x)[:, 3:].square().mean().item() < before
    assert torch.allclose(lifting.inverse(lifting(x)), x, atol=1e-4)


@pytest.mark.parametrize("wavelet", reference.WAVELETS)
def test_gradients_are_those_of_a_linear_map(wavelet):
    x = torch.rand(1, 4, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: tuple(dwt2(t, wavelet)), x)


def test_bands_of_odd_maps_do_not_stand_behind_one_another():
    with pytest.raises(InputError, match="5 x 4"):
        Lifting("haar")(torch.zeros(1, 1, 5, 4))
