"""Wavelet-domain convolutions: what they compute, their size, and that every part of them learns."""

from functools import partial

import pytest
import torch
from torch import nn

from vedette.errors import InputError
from vedette.nn.weconv import LAYERS, WeConv, WeConv3D, WeConvDown, WeConvUp


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 8), (12, 10)])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("wavelet", ["haar", "5/3", "9/7"])
@pytest.mark.parametrize("layer", LAYERS)
def test_with_identities_inside_nothing_changes(layer, wavelet, levels, size):
    """Reconstruction is perfect for any size, so that all a layer does is what its networks do."""
    net = LAYERS[layer](4, "none", wavelet=wavelet, levels=levels, high_kernel=3)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.dirac_(module.weight)
            nn.init.zeros_(module.bias)
    x = torch.rand(2, 4, *size)
    assert torch.allclose(net(x), x, atol=1e-5)


def test_weconv_is_the_papers_layer():
    """One Haar level, written out: 3x3 on the low band, 3x3 over the three high ones together."""
    torch.manual_seed(1)
    net = WeConv(3, "leaky")
    x = torch.rand(1, 3, 6, 8)
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    low = net.low((a + b + c + d) / 2)
    lh, hl, hh = (a + b - c - d) / 2, (a - b + c - d) / 2, (a - b - c + d) / 2
    lh, hl, hh = net.high[0](torch.cat([lh, hl, hh], 1)).chunk(3, 1)
    expected = torch.zeros_like(x)
    expected[..., ::2, ::2], expected[..., ::2, 1::2] = (low + lh + hl + hh) / 2, (low + lh - hl - hh) / 2
    expected[..., 1::2, ::2], expected[..., 1::2, 1::2] = (low - lh + hl - hh) / 2, (low - lh - hl + hh) / 2
    assert torch.allclose(net(x), expected, atol=1e-6)


def test_parameters_of_the_high_path_are_those_of_the_specification():
    """At 128 channels: 1.327 M for 3x3 over three bands, 0.147 M for 1x1."""

    def convolution(kernel: int) -> int:
        return sum(p.numel() for p in WeConv(128, high_kernel=kernel).high[0][0].parameters())

    assert (convolution(3), convolution(1)) == (384 * 384 * 9 + 384, 384 * 384 + 384)
    assert [round(convolution(k) / 1e6, 3) for k in (3, 1)] == [1.327, 0.148]


@pytest.mark.parametrize(
    "net",
    [
        lambda: WeConvDown(4, 8),
        lambda: WeConvUp(4, 8),
        lambda: WeConvDown(4, 8, WeConv3D),
        lambda: WeConvUp(4, 8, partial(WeConv3D, learn=True)),
    ],
    ids=["down", "up", "down3d", "up3d learned"],
)
def test_no_layer_is_dead(net):
    torch.manual_seed(2)
    network = net()
    network(torch.rand(1, 4, 16, 16)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_it_drops_into_another_network():
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), WeConv3D(8, "leaky"), nn.Flatten(), nn.LazyLinear(3))
    assert net(torch.rand(2, 1, 9, 11)).shape == (2, 3)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="5 channels"):
        WeConv3D(5)
    with pytest.raises(InputError, match="5 x 5"):
        WeConv(4, high_kernel=5)
