"""Low-bit layers against a plain int64 calculation, against float, and in the company of torch."""

import numpy as np
import pytest
import torch
from torch import nn

from vedette.errors import InputError, UnknownNameError
from vedette.lowbit import LowBit, quantized
from vedette.lowbit.backends import ROUTES, route_for
from vedette.lowbit.layers import Conv2d, Linear
from vedette.numerics import grouping, symmetric

EIGHT = LowBit(weight_bits=8, act_bits=8, grad_bits=8)


def spread_gradient(shape: tuple[int, ...], dim: int) -> torch.Tensor:
    """A gradient whose channels along `dim` differ in size by orders of magnitude."""
    generator = torch.Generator().manual_seed(1)
    sizes = torch.exp(1.5 * torch.randn(shape[dim], generator=generator))
    return torch.randn(shape, generator=generator) * sizes.reshape(
        [-1 if d == dim else 1 for d in range(len(shape))]
    )


def run(layer: nn.Module, x: torch.Tensor, g: torch.Tensor) -> tuple[torch.Tensor, ...]:
    x = x.clone().requires_grad_()
    layer.zero_grad()
    y = layer(x)
    y.backward(g)
    assert x.grad is not None
    return y.detach(), x.grad, *(p.grad.clone() for p in layer.parameters())


def by_hand(x: np.ndarray, w: np.ndarray, g: np.ndarray, config: LowBit, seeds: tuple[int, int]) -> tuple:
    """The three products of a linear layer in int64, from the formulas of the specification."""
    qa, qw, qg = (symmetric.magnitude(b) for b in (config.act_bits, config.weight_bits, config.grad_bits))
    one = np.float32(1)
    top = np.abs(x).max()  # with clip="max"
    xq = symmetric.nearest(x, np.float32(qa) / top, config.act_bits).astype(np.int64)
    sx = top / np.float32(qa)
    rows = np.abs(w).max(1)
    wq = symmetric.nearest(w, (np.float32(qw) / rows)[:, None], config.weight_bits).astype(np.int64)
    sw = rows / np.float32(qw)
    y = (xq @ wq.T).astype(np.float32) * sx * sw

    def powers(limits: np.ndarray) -> np.ndarray:
        return np.exp2(grouping.shift_exponents(limits, config.groups)).astype(np.float32)

    two = powers(np.abs(g).max(0) * sw)  # of each output channel; then a step for each sample
    own = np.abs(g * (sw * two)).max(1) if config.outer else np.float32([(np.abs(g).max(0) * sw).max()])
    columns = sw * two if config.outer else sw * (np.float32(qg) / own * two)
    factor = (np.float32(qg) / own)[:, None] if config.outer else one
    gq = symmetric.stochastic(g * columns, factor, config.grad_bits, seed=seeds[0]).astype(np.float64)
    dx = (gq / two * (own / qg)[:, None]) @ wq
    two = powers(np.abs(g).max(1))[:, None]  # of each sample; then a step for each output channel
    own = np.abs(g * two).max(0) if config.outer else np.float32([np.abs(g).max()])
    if config.outer:
        scaled, factor = g * (np.float32(qg) / own), two
    else:
        scaled, factor = g, np.float32(qg) / own * two
    gq = symmetric.stochastic(scaled, factor, config.grad_bits, seed=seeds[1]).astype(np.float64)
    dw = (gq / two * (own / qg)).T @ (xq * np.float64(sx))
    return y, dx, dw


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"outer": False},
        {"weight_bits": 8, "act_bits": 8, "grad_bits": 8},
        {"weight_bits": 6, "act_bits": 5, "grad_bits": 6, "groups": 3, "outer": False},
    ],
)
def test_a_linear_layer_is_the_calculation_by_hand(values):
    torch.manual_seed(0)
    config = LowBit(**values, clip="max")
    layer = Linear(70, 40, bias=False, config=config)
    x, g = torch.randn(30, 70), spread_gradient((30, 40), 1)
    seeds = layer.seeds()
    used = next(seeds), next(seeds)
    layer.configure(config)  # begins counting again
    y, dx, dw = run(layer, x, g)
    wanted = by_hand(x.numpy(), layer.weight.detach().numpy(), g.numpy(), config, used)
    assert np.array_equal(y.numpy(), wanted[0])
    for found, other in ((dx, wanted[1]), (dw, wanted[2])):
        assert np.allclose(found.numpy(), other, rtol=1e-5, atol=1e-6 * np.abs(other).max())


LAYERS = [
    lambda config: (Linear(33, 17, config=config), torch.randn(5, 9, 33)),
    lambda config: (Conv2d(5, 7, 3, padding=1, config=config), torch.randn(3, 5, 9, 8)),
    lambda config: (Conv2d(4, 6, 3, stride=2, padding=1, config=config), torch.randn(2, 4, 7, 9)),
    lambda config: (Conv2d(4, 6, (3, 2), dilation=2, padding=(1, 0), config=config), torch.randn(2, 4, 9, 9)),
    lambda config: (Conv2d(8, 3, 1, bias=False, config=config), torch.randn(2, 8, 5, 5)),
    lambda config: (Conv2d(3, 4, 2, stride=3, config=config), torch.randn(2, 3, 8, 8)),
]
CONFIGS = [
    LowBit(),
    EIGHT,
    LowBit(outer=False, clip="max"),
    LowBit(grouping="tensor", outer=False),
    LowBit(grouping="channel"),
    LowBit(stochastic=False),
    LowBit(grad_weight=False),
    LowBit(weight_bits=6, act_bits=6, grad_bits=6, groups=8),
]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("config", CONFIGS)
def test_every_route_gives_the_same_bits(make, config):
    torch.manual_seed(0)
    layer, x = make(config)
    g = spread_gradient(tuple(layer(x).shape), 1)
    results = []
    for route in ROUTES[1:]:
        try:
            route_for(x.device, route)
        except InputError:
            continue
        layer.configure(config, route=route)
        results.append(run(layer, x, g))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("make", LAYERS)
def test_eight_bits_are_close_to_float(make):
    torch.manual_seed(0)
    layer, x = make(EIGHT)
    kind = nn.Linear if isinstance(layer, Linear) else nn.Conv2d
    g = spread_gradient(tuple(layer(x).shape), 1)
    found = run(layer, x, g)
    layer.__class__ = kind
    for one, other in zip(found, run(layer, x, g), strict=True):
        assert (one - other).norm() < 0.06 * other.norm()


@pytest.mark.parametrize("make", LAYERS)
def test_gradients_are_right_on_average(make):
    """With the products of the forward pass fixed, the mean over draws tends to the gradient of the
    quantized layer.
    """
    torch.manual_seed(0)
    config = LowBit(act_bits=8, weight_bits=8, grad_bits=3)
    layer, x = make(config)
    g = spread_gradient(tuple(layer(x).shape), 1)
    exact = LowBit(act_bits=8, weight_bits=8, grad_input=False, grad_weight=False)
    layer.configure(exact)
    wanted = run(layer, x, g)
    layer.configure(config)
    draws = [run(layer, x, g) for _ in range(400)]
    for index in (1, 2):
        each = torch.stack([draw[index] for draw in draws])
        error = (each.mean(0) - wanted[index]).abs() / (each.std(0) / 20 + 1e-3 * wanted[index].abs().max())
        assert error.max() < 6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("make", LAYERS[:2])
def test_any_float_type_comes_back_as_it_was(make, dtype):
    layer, x = make(EIGHT)
    layer = layer.to(dtype)
    x = x.to(dtype).requires_grad_()
    layer(x).sum().backward()
    assert layer(x).dtype == x.grad.dtype == layer.weight.grad.dtype == dtype


@pytest.mark.parametrize("make", LAYERS[:2])
def test_autocast_chooses_the_type_of_the_result(make):
    layer, x = make(EIGHT)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("make", LAYERS[:2])
def test_compiled_models_work(make):
    layer, x = make(EIGHT)
    model = nn.Sequential(layer, nn.ReLU())
    compiled = torch.compile(model, backend="eager")
    assert torch.equal(compiled(x), model(x))
    compiled(x).sum().backward()


@pytest.mark.parametrize("make", LAYERS[:2])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_makes_the_step_nan_or_is_refused(make, bad):
    layer, x = make(LowBit())
    g = torch.zeros(layer(x).shape)
    g.view(-1)[3] = bad
    with pytest.warns(RuntimeWarning, match="gradient of .* holds a NaN"):
        found = run(layer, x, g)
    assert found[1].isnan().all() and found[2].isnan().all()
    layer.configure(LowBit(on_nonfinite="raise"), name="conv7")
    with pytest.raises(InputError, match="gradient of conv7"):
        run(layer, x, g)


@pytest.mark.parametrize("make", LAYERS[:2])
def test_an_input_that_is_not_finite_gives_nan(make):
    layer, x = make(LowBit())
    x.view(-1)[0] = torch.nan
    with pytest.warns(RuntimeWarning, match="the input or the weight"):
        found = run(layer, x, torch.ones_like(layer(x)))
    assert all(part.isnan().all() for part in found[:3])


@pytest.mark.parametrize("make", LAYERS[:2])
def test_zeros_and_the_smallest_numbers_give_no_nan(make):
    layer, x = make(LowBit())
    for size in (0.0, 1e-44, 1e-38):
        for part in run(layer, x * size, torch.full_like(layer(x), size)):
            assert part.isfinite().all()


def test_long_sums_are_split_and_stay_exact():
    """8-bit gradients in groups fill 32 bits after 16,643 samples."""
    config = LowBit(weight_bits=8, act_bits=8, grad_bits=8, groups=4)
    layer = Linear(3, 2, bias=False, config=config)
    x, g = torch.ones(40_000, 3), torch.ones(40_000, 2)
    g[::2] /= 8  # two groups, every sum at its largest
    found = run(layer, x, g)[2]
    assert torch.allclose(found, torch.full((2, 3), 20_000 * 1.125), rtol=1e-6)
    for images, side in ((5, 100), (1, 200), (2, 150)):  # whole images, and parts of one
        conv = Conv2d(3, 2, 1, bias=False, config=config)
        g = torch.ones(images, 2, side, side)
        g[:, :, ::2] /= 8
        found = run(conv, torch.ones(images, 3, side, side), g)[2]
        assert torch.allclose(found.flatten(), torch.full((6,), images * side**2 * 0.5625), rtol=1e-6)


@pytest.mark.parametrize(
    "layer, shape", [(Linear(4, 3), (0, 4)), (Linear(4, 3), (2, 0, 4)), (Conv2d(2, 3, 3), (0, 2, 5, 5))]
)
def test_a_batch_of_nothing_has_a_gradient_of_zero(layer, shape):
    x = torch.zeros(shape, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.shape == shape and not layer.weight.grad.any()


@pytest.mark.parametrize("positive", [True, False])
def test_activations_of_four_bits_are_kept_in_half_a_byte(positive):
    kept = []
    layer = Linear(256, 8, config=LowBit())
    x = torch.randn(100, 256)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        layer(x.abs() if positive else x)
    native = layer.route_on(torch.device("cpu")) == "native"
    assert max(t.numel() * t.element_size() for t in kept) == (100 * 256 // 2 if native else 100 * 256)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("positive", [True, False])
def test_what_is_kept_is_what_was_multiplied(bits, positive):
    x = torch.randn(31, 7)
    found = quantized.activation(x.abs() if positive else x, bits, "native", clip="mse")
    assert found.bits == bits or (bits == 8 and positive)
    kept = quantized.packed(found, "native")
    assert torch.equal(quantized.unpacked(kept, found.signed, x.shape), found.values)
    assert (found.values.min() < 0) != positive


def test_seeds_never_repeat_between_layers_and_calls():
    seeds = []
    for index in range(30):
        layer = Linear(4, 4)
        layer.configure(LowBit(seed=2), index=index)
        for _ in range(100):
            draw = layer.seeds()
            seeds += [next(draw), next(draw)]
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(
    "values", [{"weight_bits": 1}, {"grad_bits": 9}, {"groups": 0}, {"grouping": "shfit"}, {"norm": "l3"}]
)
def test_values_out_of_range_are_refused(values):
    with pytest.raises((InputError, UnknownNameError)):
        LowBit(**values)
