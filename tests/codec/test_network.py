"""Every layer that has an integer form follows its float form; a whole paper-shaped codec round-trips."""

from functools import partial

import pytest
import torch
from torch import nn

from vedette.codec import build, freeze
from vedette.codec.codec import Codec
from vedette.codec.latents import network
from vedette.codec.latents.format import Format
from vedette.codec.latents.freezer import Freezer, watch_ranges
from vedette.codec.latents.integer import module_names
from vedette.codec.latents.network import IntegerRunner, leak
from vedette.codec.models.sliced import HalfTanh
from vedette.errors import InputError
from vedette.nn.layers import GatedAttention, ResidualBlock, ResidualUnit, ResidualUp, subpel
from vedette.nn.weconv import WeConv, WeConv3D, WeConvDown, WeConvUp

TINY = {
    "width": 16,
    "latents": 32,
    "hyper": 16,
    "slices": 2,
    "blocks": 1,
    "parameter_widths": (24, 16),
}


def frozen(net: nn.Module, x: torch.Tensor, frac: int, final: int | None):
    """`net` as integers, frozen on the integers `x` with `frac` fractional bits."""
    names = module_names(net)
    ranges = watch_ranges(names, lambda: net(x / 2**frac))
    freezer = Freezer(names, ranges)
    output = freezer(net, Format.of(x.shape[1], frac, 511), frac=final)
    return IntegerRunner(names, freezer.tensors), output


NETS = {
    "relu": lambda: [nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 1)],
    "leaky": lambda: [nn.Conv2d(6, 8, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(8, 5, 1)],
    "gelu": lambda: [nn.Conv2d(6, 8, 3, padding=1), nn.GELU(), nn.Conv2d(8, 5, 1)],
    "tanh": lambda: [nn.Conv2d(6, 5, 3, padding=1), HalfTanh()],
    "clamp": lambda: [nn.Conv2d(6, 5, 3, padding=1), nn.Hardtanh(-0.5, 0.5)],
    "subpel": lambda: [subpel(6, 8, 2), nn.Conv2d(8, 5, 1)],
    "block": lambda: [ResidualBlock(6, 6), nn.Conv2d(6, 5, 1)],
    "block-1x1": lambda: [ResidualBlock(6, 8), nn.Conv2d(8, 5, 1)],
    "up": lambda: [ResidualUp(6, 8), nn.Conv2d(8, 5, 1)],
    "unit": lambda: [nn.Conv2d(6, 8, 1), ResidualUnit(8), nn.Conv2d(8, 5, 1)],
    "attention": lambda: [GatedAttention(6, 8, width=8), nn.Conv2d(8, 5, 1)],
    "weconv": lambda: [WeConvUp(6, 8), nn.Conv2d(8, 5, 1)],
    "weconv-9/7": lambda: [WeConvUp(6, 8, partial(WeConv, wavelet="9/7", levels=2)), nn.Conv2d(8, 5, 1)],
    "weconv3d": lambda: [WeConvUp(6, 8, partial(WeConv3D, levels=1)), nn.Conv2d(8, 5, 1)],
    "weconv3d-5/3": lambda: [WeConvUp(6, 8, partial(WeConv3D, wavelet="5/3")), nn.Conv2d(8, 5, 1)],
    "weconv3d-learned": lambda: [WeConvUp(6, 8, partial(WeConv3D, learn=True)), nn.Conv2d(8, 5, 1)],
    "hyper synthesis": lambda: [WeConvUp(6, 8), ResidualBlock(8, 8), subpel(8, 5, 2)],
    "slice": lambda: [
        GatedAttention(6, 8, width=8),
        nn.Conv2d(8, 10, 3, padding=1),
        nn.GELU(),
        nn.Conv2d(10, 8, 3, padding=1),
        nn.GELU(),
        nn.Conv2d(8, 5, 3, padding=1),
    ],
    "all": lambda: [nn.Conv2d(6, 6, 1), ResidualUp(6, 8), ResidualBlock(8, 8), subpel(8, 5, 2)],
}


@pytest.mark.parametrize("size", [(24, 20), (33, 21)])
@pytest.mark.parametrize("name", NETS)
@torch.no_grad()
def test_integers_follow_floats(name, size):
    """Within 1 % of the largest value, but for the few that the calibrated ranges clip."""
    torch.manual_seed(1)
    net = nn.Sequential(*NETS[name]())
    x = torch.randint(-96, 97, (1, 6, *size)).float()
    run, output = frozen(net, x, 5, 8)
    expected, got = net(x / 32), run(net, x, frac=8)
    assert torch.equal(got, got.round())
    assert (got.abs() <= output.most[:, None, None]).all()
    error = (got / 2.0**output.single_frac - expected).abs()
    assert error.flatten().kthvalue(int(0.99 * error.numel())).values < 0.01 + 0.01 * expected.abs().max()


@pytest.mark.parametrize("compiled", [True, False])
def test_a_layer_too_wide_for_float32_gets_another_carrier(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(network, "kernel", lambda: None)
    torch.manual_seed(2)
    net = nn.Sequential(nn.Conv2d(800, 4, 3, padding=1))
    nn.init.constant_(net[0].weight, 0.02)
    x = torch.randint(-511, 512, (1, 800, 5, 5)).float()
    run, _ = frozen(net, x, 5, 8)
    if compiled and network.kernel() is not None:
        assert run.convolutions["0"].carrier == "int16"
    else:
        assert run.convolutions["0"].carrier in ("split", "float64")
    with torch.no_grad():
        assert torch.allclose(run(net, x, frac=8) / 256, net(x / 32), atol=0.05, rtol=2e-3)


def test_leak_is_exact_on_every_hidden_value():
    x = torch.arange(-(2**18), 2**18 + 1)
    expected = torch.where(x < 0, (x.long() * 41 + 2048) >> 12, x)
    assert torch.equal(leak(x.float()).long(), expected)


def test_a_layer_without_an_integer_form_is_named():
    net = nn.Sequential(nn.Softplus())
    with pytest.raises(InputError, match="Softplus"):
        Freezer(module_names(net), {})(net, Format.of(2, 0, 1))


@torch.no_grad()
def test_gdn_has_an_integer_form_only_as_its_inverse():
    net = WeConvDown(6, 8).conv
    names = module_names(nn.Sequential(net))
    ranges = watch_ranges(names, lambda: net(torch.rand(1, 8, 8, 8)))
    with pytest.raises(InputError, match="inverse"):
        Freezer(names, ranges)._weconv(net, Format.of(8, 5, 511), 5)


@pytest.mark.parametrize("quality", [5.0, 40.0])
def test_a_tiny_charm_codes_and_decodes(quality, sample_image):
    """The model of paper shape, untrained: the same latents on both sides, pixels like the float model's."""
    torch.manual_seed(0)
    model = build("charm", **TINY).eval()
    image = torch.from_numpy(sample_image[:, :128, :192] / 255).float()
    codec = Codec("charm", freeze(model, image[None]))
    y = codec.analyze(image, quality)
    streams, latents = codec.encode_latents(y, quality)
    again = codec.decode_latents(streams, y.shape[2], y.shape[3])
    assert torch.equal(latents.values, again.values)
    with torch.no_grad():
        expected = model(image[None], torch.tensor([quality])).image[0].clamp(0, 1)
    assert (codec.synthesize(again.as_float(), quality) - expected).abs().mean() < 0.02


def test_parameters_of_paper_size_stand_near_the_published_count():
    """58.5 M is what HPCM's table counts for its CHARM; ours has the trunk of the specification."""
    count = sum(p.numel() for p in build("charm").parameters())
    assert abs(count / 58.5e6 - 1) < 0.04


def test_lite_keeps_its_limits():
    """At most 4 M parameters and 50 kMAC a pixel."""
    model = build("charm-lite").eval()
    macs = []

    def count(module, inputs, output):
        macs.append(module.weight.numel() * output.shape[2] * output.shape[3])

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(count)
    with torch.no_grad():
        model(torch.rand(1, 3, 128, 128), torch.tensor([32.0]))
    transforms = 4 * 192 * 192 / 64  # the lapped transforms' two matrices each, at 1/8 resolution
    assert sum(p.numel() for p in model.parameters()) < 4_000_000
    assert sum(macs) / 128**2 + transforms < 50_000
