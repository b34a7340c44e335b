"""Normalization layers: the backward against autograd, integers against float, and against torch for L2."""

import math

import pytest
import torch
from torch import nn

from vedette.errors import InputError
from vedette.lowbit import LowBit
from vedette.lowbit.norms import BatchNorm2d, GroupNorm, LayerNorm, deviation

KINDS = ("l1", "l2", "range")


def layer_of(name: str, config: LowBit) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    if name == "batch":
        layer: nn.Module = BatchNorm2d(6, config=config)
        x = torch.randn(8, 6, 9, 9) * torch.arange(1, 7)[:, None, None] + torch.arange(6)[:, None, None]
    elif name == "layer":
        layer, x = LayerNorm(64, config=config), 3 * torch.randn(5, 7, 64) + 1
    else:
        layer, x = GroupNorm(2, 8, config=config), 2 * torch.randn(4, 8, 6, 6) + 1
    with torch.no_grad():
        layer.weight.uniform_(0.5, 1.5)
        layer.bias.uniform_(-1, 1)
    return layer, x


def by_autograd(layer: nn.Module, x: torch.Tensor, kind: str) -> torch.Tensor:
    """The formula of the forward pass, left to torch's own autograd."""
    if isinstance(layer, BatchNorm2d):
        m, dim = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]), 0
    elif isinstance(layer, LayerNorm):
        m, dim = x.reshape(-1, x.shape[-1]), 1
    else:
        m, dim = x.reshape(len(x) * layer.num_groups, -1), 1
    d = m - m.mean(dim, keepdim=True)
    xhat = d / deviation(d, kind, dim, layer.eps)
    if isinstance(layer, BatchNorm2d):
        xhat = xhat.reshape(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)
    xhat = xhat.reshape(x.shape)
    shape = (1, -1, 1, 1) if x.ndim == 4 else (-1,)
    return xhat * layer.weight.reshape(shape) + layer.bias.reshape(shape)


def gradients(layer: nn.Module, x: torch.Tensor, call, g: torch.Tensor) -> list[torch.Tensor]:
    layer.zero_grad()
    x = x.clone().requires_grad_()
    y = call(x)
    y.backward(g)
    return [y.detach(), x.grad, layer.weight.grad.clone(), layer.bias.grad.clone()]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["batch", "layer", "group"])
def test_the_backward_is_what_autograd_finds(name, kind):
    layer, x = layer_of(name, LowBit(norm=kind, norm_bits=None))
    g = torch.randn(x.shape)
    wanted = gradients(layer, x, lambda v: by_autograd(layer, v, kind), g)
    for found, other in zip(gradients(layer, x, layer, g), wanted, strict=True):
        assert torch.allclose(found, other, rtol=1e-4, atol=1e-5 * other.abs().max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["batch", "layer", "group"])
def test_eight_bits_are_close_to_float(name, kind):
    layer, x = layer_of(name, LowBit(norm=kind))
    g = torch.randn(x.shape)
    wanted = gradients(layer, x, lambda v: by_autograd(layer, v, kind), g)
    found = gradients(layer, x, layer, g)
    # the ends of a range are other elements once rounded, so the gradient of "range" is not close
    for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
        limit = 0.25 if kind == "range" and index == 1 else 0.06
        assert (one - other).norm() < limit * other.norm(), index


@pytest.mark.parametrize("name", ["batch", "layer", "group"])
@pytest.mark.parametrize("norm_bits", [None, 8])
def test_l2_is_that_of_torch(name, norm_bits):
    layer, x = layer_of(name, LowBit(norm="l2", norm_bits=norm_bits))
    found = layer(x)
    layer.__class__ = {"batch": nn.BatchNorm2d, "layer": nn.LayerNorm, "group": nn.GroupNorm}[name]
    wanted = layer(x)
    limit = 1e-5 if norm_bits is None else 0.04
    assert (found - wanted).norm() < limit * wanted.norm()


@pytest.mark.parametrize("norm_bits", [None, 8])
def test_gaussian_values_have_the_same_deviation_by_l1_and_l2(norm_bits):
    """kappa = sqrt(pi / 2): what a network trained with L2 relies on."""
    x = 3 * torch.randn(64, 2, 16, 16, generator=torch.Generator().manual_seed(1)) + 5
    one, other = (BatchNorm2d(2, config=LowBit(norm=kind, norm_bits=norm_bits)) for kind in ("l1", "l2"))
    one(x), other(x)
    assert torch.allclose(one.running_var, other.running_var, rtol=0.03)
    assert torch.allclose(one.running_mean, other.running_mean, rtol=0.01)


@pytest.mark.parametrize("norm_bits", [None, 8])
def test_a_network_in_use_takes_the_running_statistics(norm_bits):
    layer, x = layer_of("batch", LowBit(norm_bits=norm_bits))
    for _ in range(60):
        layer(x)
    trained = layer(x)
    layer.eval()
    used = layer(x)
    assert (used - trained).norm() < 0.03 * trained.norm()
    assert layer(x[:1]).shape == x[:1].shape
    before = layer.running_mean.clone()
    layer(x + 100)
    assert torch.equal(layer.running_mean, before)
    x = x.clone().requires_grad_()
    layer(x).sum().backward()  # statistics are constants now: dx = gamma / (m + eps)
    wanted = (layer.weight / (layer.running_var.sqrt() + layer.eps)).detach()[:, None, None]
    assert torch.allclose(x.grad, wanted.expand_as(x), rtol=0.02)


def test_state_dicts_go_both_ways():
    low, high = BatchNorm2d(6), nn.BatchNorm2d(6)
    low.load_state_dict(high.state_dict())
    high.load_state_dict(low.state_dict())


@pytest.mark.parametrize("name", ["batch", "layer", "group"])
def test_nan_is_told_and_not_remembered(name):
    layer, x = layer_of(name, LowBit())
    x[0] = torch.nan
    with pytest.warns(RuntimeWarning, match="the input of"):
        y = layer(x)
    assert y.isnan().any()
    if name == "batch":
        assert torch.isfinite(layer.running_mean).all()
    layer.configure(LowBit(on_nonfinite="raise"), name="bn1")
    with pytest.raises(InputError, match="bn1"):
        layer(x)
    layer, x = layer_of(name, LowBit())
    y = layer(x.requires_grad_())
    with pytest.warns(RuntimeWarning, match="the gradient of"):
        y.backward(torch.full_like(y, math.inf))
    assert x.grad.isnan().any()


@pytest.mark.parametrize("name", ["batch", "layer", "group"])
def test_constant_inputs_are_finite(name):
    layer, x = layer_of(name, LowBit())
    for value in (0.0, 5.0, 1e-42):
        x = torch.full_like(x, value).requires_grad_()
        y = layer(x)
        y.backward(torch.ones_like(y))
        assert y.isfinite().all() and x.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("name", ["batch", "layer", "group"])
def test_other_float_types(name, dtype):
    layer, x = layer_of(name, LowBit())
    layer = layer.to(dtype)
    assert layer(x.to(dtype)).dtype == dtype
