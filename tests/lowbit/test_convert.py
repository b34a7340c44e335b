"""What becomes of a network: which layers, why, and that its parameters and its training stay the user's."""

import copy

import pytest
import torch
from torch import nn

from vedette.errors import InputError
from vedette.lowbit import LowBit, convert, plan
from vedette.lowbit.attention import Attention
from vedette.lowbit.layers import Conv2d, Linear, LowBitLayer
from vedette.lowbit.norms import BatchNorm2d, LayerNorm
from vedette.lowbit.relu import ReLU
from vedette.nn.classify import build_classifier

ALL = LowBit(where="all")


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.Flatten(),
        nn.Linear(8 * 6 * 6, 16), nn.ReLU(), nn.Linear(16, 4),
    )  # fmt: skip


def test_the_first_and_the_last_layer_stay_in_float():
    model = convert(small(), ALL, show=None)
    assert [isinstance(layer, LowBitLayer) for layer in model] == [
        False,
        True,
        False,
        True,
        False,
        True,
        False,
        False,
    ]
    everything = convert(small(), LowBit(where="all", first_last=True), show=None)
    assert sum(isinstance(layer, Linear | Conv2d) for layer in everything) == 4


def test_parameters_and_their_names_stay():
    model = small()
    before = dict(model.named_parameters())
    states = {name: value.clone() for name, value in model.state_dict().items()}
    convert(model, ALL, show=None)
    assert dict(model.named_parameters()).keys() == before.keys()
    assert all(parameter is before[name] for name, parameter in model.named_parameters())
    model.load_state_dict(states)
    small().load_state_dict(model.state_dict())


def test_small_products_are_left_alone_and_large_ones_are_not():
    model = nn.Sequential(*(nn.Linear(n, n) for n in (1024, 16, 1024, 1024)))
    found = plan(model, LowBit(), sample=None)
    assert [layer.route == "float" for layer in found.layers] == [True, True, False, True]
    assert "would not be faster" in found.layers[1].reason
    shallow = nn.Sequential(nn.Linear(1024, 1024), nn.Linear(1024, 1024), nn.Linear(1024, 1024))
    few = plan(shallow, LowBit(), sample=torch.zeros(2, 1024))
    assert few.layers[1].rows == 2 and few.layers[1].route == "float"


@pytest.mark.parametrize(
    "layer, why",
    [
        (nn.Conv2d(8, 8, 3, groups=2), "grouped"),
        (nn.Conv2d(8, 8, 3, stride=(1, 2)), "differs"),
        (nn.Conv2d(8, 8, 3, padding="same"), "padding"),
        (nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect"), "padding"),
        (nn.Conv2d(8, 8, 1, padding=1), "wider"),
        (nn.ConvTranspose2d(8, 8, 3), "without an integer form"),
        (nn.BatchNorm1d(8), "only BatchNorm2d"),
    ],
)
def test_what_cannot_be_converted_says_why(layer, why):
    model = nn.Sequential(nn.Conv2d(3, 8, 3), layer, nn.Conv2d(8, 8, 3), nn.Linear(8, 2))
    found = plan(model, ALL)
    assert found.layers[1].route == "float" and why in found.layers[1].reason


def test_the_plan_is_shown_and_names_rows_of_the_sample(capsys):
    convert(small(), ALL, sample=torch.zeros(5, 3, 8, 8))
    shown = capsys.readouterr().out
    assert f"{5 * 6 * 6} x 8 x 72" in shown and "first or last layer" in shown and "4/4/4" in shown


def test_normalization_is_converted_as_asked():
    model = build_classifier("vit-64", classes=3)
    convert(model, ALL, show=None)
    assert isinstance(model.blocks[0].norm1, LayerNorm)
    model = convert(small(), LowBit(where="all", norm="keep"), show=None)
    assert not isinstance(model[1], BatchNorm2d)


def test_a_second_conversion_and_an_empty_one_are_refused():
    model = convert(small(), ALL, show=None)
    with pytest.raises(InputError, match="already"):
        convert(model, ALL, show=None)
    with pytest.raises(InputError, match="no layer"):
        convert(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), LowBit(), show=None)


@pytest.mark.parametrize("name", ["resnet20", "vit-64"])
def test_a_converted_classifier_learns(name):
    """Eight images of two classes are learnt by heart in the usual loop."""
    torch.manual_seed(0)
    model = build_classifier(name, classes=2)
    side = 64 if name.startswith("vit") else 16
    images = torch.rand(8, 3, side, side)
    labels = torch.arange(8) % 2
    convert(model, ALL, sample=images, show=None)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(40):
        loss = nn.functional.cross_entropy(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_training_is_the_same_for_one_seed_and_any_number_of_threads():
    def weights(threads: int) -> list[torch.Tensor]:
        torch.manual_seed(3)
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            layer = Linear(64, 48, config=ALL)
            for _ in range(3):
                x = torch.randn(700, 64, requires_grad=True)
                layer(x).square().sum().backward()
            return [layer.weight.grad, x.grad]
        finally:
            torch.set_num_threads(before)

    assert all(torch.equal(a, b) for a, b in zip(weights(1), weights(2), strict=True))


@pytest.mark.parametrize("channels_last", [True, False])
def test_a_relu_keeps_one_bit_and_gives_the_gradient_of_torch(channels_last):
    x = torch.randn(3, 5, 7, 9)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    x[0, 0, 0, 0] = 0
    g = torch.randn(x.shape)
    kept, gradients = [], []
    for layer in (ReLU(), nn.ReLU()):
        own = x.clone().requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.nbytes) or t, lambda t: t):
            y = layer(own)
        y.backward(g)
        gradients.append((y.detach(), own.grad))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert kept[0] == -(-x.numel() // 8)


@pytest.mark.parametrize("bits, limit", [(8, 0.08), (4, 0.6)])
def test_attention_in_integers_is_near_that_in_float(bits, limit):
    torch.manual_seed(0)
    plain = build_classifier("vit-64", classes=3).blocks[0].attn
    x, g = torch.randn(2, 10, 128), torch.randn(2, 10, 128)
    found = []
    for attention in (False, True):
        layer = nn.Sequential(nn.Linear(128, 128), copy.deepcopy(plain), nn.Linear(128, 128))
        layer[0].weight.data = layer[2].weight.data = torch.eye(128)
        layer[0].bias.data.zero_(), layer[2].bias.data.zero_()
        config = LowBit(
            weight_bits=8, act_bits=bits, grad_bits=bits, attention=attention, forward=False,
            grad_input=False, grad_weight=False, where="all",
        )  # fmt: skip
        if attention:
            convert(layer, config, show=None)
            assert type(layer[1]) is Attention
        own = x.clone().requires_grad_()
        y = layer(own)
        y.backward(g)
        found.append((y.detach(), own.grad))
    for one, other in zip(*found, strict=True):
        assert (one - other).norm() < limit * one.norm()
