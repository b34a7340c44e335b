"""Published sizes, and what every detector of the table must do; a new one is tested by being there."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from detect.scenes import stir
from torch.nn import functional

from vedette.detect.models import MODELS, TINY, build, giga_macs, parameter_count
from vedette.detect.models.blocks import C3, SPP, SqueezeExcite
from vedette.detect.models.fusion import Fusion
from vedette.detect.models.head import ANCHORS, Head
from vedette.detect.models.yolo import FusionForm, Yolo
from vedette.errors import InputError, UnknownNameError

RGB = {"groups": (3,), "fusion": "concat"}
FOUR = {"fusion": "concat"}
FORMS = get_args(FusionForm)


def millions(name, *, fused, **options):
    with torch.device("meta"):
        return parameter_count(name, fused=fused, classes=8, **options) / 1e6


# specification section 1: parameters with and without normalization, M, and GMAC at 512, 8 classes
@pytest.mark.parametrize(
    ("name", "options", "whole", "fused", "macs"),
    [
        ("superyolo", {}, 4.8520, 4.8451, 17.91),
        ("superyolo", RGB, 4.8326, 4.8256, 16.55),
        ("superyolo", FOUR, 4.8329, None, 16.62),
        ("superyolo-three", RGB, 7.0798, None, 20.23),
        ("superyolo-three", FOUR, 7.0801, None, 20.31),
        ("yolov5s", RGB, 7.0824, 7.0728, 5.23),
        ("yolov5s", {}, 7.0836, 7.0739, 5.30),
    ],
)
def test_sizes_are_those_of_the_specification(name, options, whole, fused, macs):
    assert round(millions(name, fused=False, **options), 4) == whole
    if fused is not None:
        assert round(millions(name, fused=True, **options), 4) == fused
    assert round(giga_macs(name, classes=8, **options), 2) == macs


# section 8, the README's table; its operations count normalization and pooling too
@pytest.mark.parametrize(
    ("name", "parameters", "macs"),
    [
        ("yolov5s", 7.07, 5.32),
        ("yolov5m", 21.07, 16.24),
        ("yolov5l", 46.60, 36.70),
        ("yolov5x", 87.25, 69.71),
        ("superyolo", 4.85, 17.98),
    ],
)
def test_sizes_are_those_published(name, parameters, macs):
    assert millions(name, fused=True) == pytest.approx(parameters, rel=2e-3)
    assert giga_macs(name, classes=8) == pytest.approx(macs, rel=5e-3)


def test_superyolo_is_so_much_smaller_than_yolov5x():
    """Section 0: 18.0 times fewer parameters, 3.9 times fewer operations."""
    assert round(millions("yolov5x", fused=True) / millions("superyolo", fused=True), 1) == 18.0
    assert round(giga_macs("yolov5x", classes=8) / giga_macs("superyolo", classes=8), 1) == 3.9


@pytest.fixture(scope="module", params=MODELS)
def tiny(request):
    torch.manual_seed(1)
    return stir(build(request.param, classes=3, **TINY[request.param]))


def test_every_scale_speaks_at_its_stride(tiny):
    with torch.no_grad():
        fine, deep, maps = tiny.eval().features(torch.rand(1, 4, tiny.multiple, 2 * tiny.multiple))
        said = tiny.head(maps)
    first = tiny.multiple // 4
    assert tiny.head.strides == [first * 2**k for k in range(len(maps))]
    for said_map, stride in zip(said.maps, tiny.head.strides, strict=True):
        assert said_map.shape == (1, 3, tiny.multiple // stride, 2 * tiny.multiple // stride, 8)
    assert (fine.shape[1], deep.shape[1]) == tiny.taps
    assert fine.shape[3] == 2 * tiny.multiple // first
    assert deep.shape[3] == fine.shape[3] // 4  # section 1: 128 and 32 of 512 pixels
    assert said.decode().shape == (1, sum(m[0, ..., 0].numel() for m in said.maps), 8)


def test_every_parameter_is_used(tiny):
    gates = [module.squeeze.weight.data for module in tiny.modules() if isinstance(module, SqueezeExcite)]
    used = set()
    tiny.train()
    try:
        for _ in range(
            2
        ):  # a gate whose one hidden unit is silent passes nothing: it speaks for the opposite
            tiny.zero_grad()
            said = tiny(torch.rand(2, 4, 2 * tiny.multiple, 2 * tiny.multiple))
            sum(m.square().mean() for m in said.maps).backward()
            used |= {n for n, p in tiny.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
            for gate in gates:
                gate.neg_()
    finally:
        tiny.zero_grad()
        tiny.eval()
    assert {n for n, _ in tiny.named_parameters()} - used == set()


def same_when_fused(model, bands):
    image = torch.rand(1, bands, model.multiple, model.multiple)
    with torch.no_grad():
        before = [m.clone() for m in model.eval()(image).maps]
        count = sum(p.numel() for p in model.parameters())
        after = model.fuse()(image).maps
    assert sum(p.numel() for p in model.parameters()) < count
    for a, b in zip(before, after, strict=True):
        assert (a - b).abs().max() < 1e-4
    assert before[0].std() > 1e-3


@pytest.mark.parametrize("name", MODELS)
def test_fused_is_the_same_function(name):
    torch.manual_seed(2)
    same_when_fused(stir(build(name, classes=3, **TINY[name])), 4)


@pytest.mark.parametrize("groups", [(3, 1), (3,), (1,), (3, 1, 1)])
@pytest.mark.parametrize("form", FORMS)
def test_every_fusion_takes_every_kind_of_groups(form, groups):
    torch.manual_seed(3)
    model = stir(Yolo(classes=2, groups=groups, fusion=form, width=0.125))
    model.train()
    image = torch.rand(2, sum(groups), 32, 32, requires_grad=True)
    model(image).maps[0].square().mean().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []
    assert (image.grad.abs().sum(dim=(0, 2, 3)) > 0).all()  # every band is looked at
    same_when_fused(model, sum(groups))


# section 1: where each layer's input comes from; of the three-scale version in YOLOv5's order
TABLE = {
    "stem": ["input"],
    "down1": ["stem"],
    "c3_2": ["down1"],
    "down3": ["c3_2"],
    "c3_4": ["down3"],
    "down5": ["c3_4"],
    "c3_6": ["down5"],
    "down7": ["c3_6"],
    "spp8": ["down7"],
    "c3_9": ["spp8"],
    "lateral10": ["c3_9"],
    "c3_13": ["lateral10 x2", "c3_6"],
    "lateral14": ["c3_13"],
    "c3_17": ["lateral14 x2", "c3_4"],
    "down18": ["c3_17"],
    "c3_20": ["down18", "lateral14"],
    "down21": ["c3_20"],
    "c3_23": ["down21", "lateral10"],
}


def test_layers_are_joined_as_in_the_table():
    torch.manual_seed(9)
    model = stir(build("superyolo-three", classes=2, width=0.125, fusion="concat")).eval()
    made = {"input": torch.rand(1, 4, 64, 96)}
    with torch.no_grad():
        for name, sources in TABLE.items():
            parts = []
            for source in sources:
                part = made[source.removesuffix(" x2")]
                if source.endswith(" x2"):
                    part = part.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
                parts.append(part)
            made[name] = getattr(model, name)(torch.cat(parts, dim=1))
        fine, deep, maps = model.features(made["input"])
    assert torch.equal(fine, made["c3_4"]) and torch.equal(deep, made["spp8"])
    for scale, name in enumerate(("c3_17", "c3_20", "c3_23")):
        assert torch.equal(maps[scale], made[name])


def test_bottlenecks_of_the_backbone_alone_add_their_input():
    model = build("superyolo-three", classes=2, width=0.125)
    adds = {}
    for name, layer in model.named_children():
        if isinstance(layer, C3):
            block = layer.blocks[0].eval()
            torch.nn.init.zeros_(block.conv.conv.weight)
            x = torch.rand(1, block.conv.conv.in_channels, 4, 4)
            with torch.no_grad():
                adds[name] = torch.equal(block(x), x)
            assert adds[name] or not block(x).any()
    assert [name for name, added in adds.items() if added] == ["c3_2", "c3_4", "c3_6"]
    assert [len(getattr(model, name).blocks) for name in adds] == [1, 3, 3, 1, 1, 1, 1, 1]


def test_middle_fusions_widen_what_follows_the_join():
    """Section 2: two groups give twice the channels after the stem, layer 1, 2 or 3."""
    joins = (("mid1", "down1", 64), ("mid2", "c3_2", 128), ("mid3", "down3", 128), ("mid4", "c3_4", 256))
    for form, layer, channels in joins:
        model = Yolo(classes=1, fusion=form, width=0.5)
        plain = Yolo(classes=1, fusion="concat", width=0.5)

        def inputs(network, name=layer):
            part = getattr(network, name)
            return (part.flat if hasattr(part, "flat") else part).conv.in_channels

        assert inputs(model) == 2 * inputs(plain) == channels


def test_middle_fusions_use_one_stem_for_all_groups():
    model = Yolo(classes=1, groups=(1, 1), fusion="mid2", width=0.125).eval()
    seen = []
    model.stem.register_forward_hook(lambda _, given, out: seen.append(given[0]))
    a = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        model(torch.cat([a, a], dim=1))
    assert len(seen) == 2 and torch.equal(seen[0], seen[1]) and seen[0].shape[1] == 3


def naive_convolution(image, weight):
    """3x3, zeros around, by loops."""
    outputs, _, _, _ = weight.shape
    c, h, w = image.shape
    padded = np.zeros((c, h + 2, w + 2))
    padded[:, 1:-1, 1:-1] = image
    made = np.zeros((outputs, h, w))
    for y in range(h):
        for x in range(w):
            made[:, y, x] = (weight * padded[None, :, y : y + 3, x : x + 3]).sum(axis=(1, 2, 3))
    return made


def test_the_released_fusion_is_the_formula_of_the_specification():
    torch.manual_seed(4)
    fusion = Fusion((3, 1), 64, "released")
    image = np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)
    features = []
    for part, first, last, outputs in ((fusion.parts[0], 0, 3, 48), (fusion.parts[1], 3, 4, 16)):
        bands = image[first:last].astype(np.float64)
        half = 0.5 * bands
        weight = part.mask.weight.detach().numpy()[0, :, 0, 0]
        mask = (weight[:, None, None] * half).sum(axis=0) + part.mask.bias.item()
        made = naive_convolution(mask * half + bands, part.conv.weight.detach().numpy())
        assert len(made) == outputs and part.conv.bias is None
        features.append(made)
    stem = np.concatenate(features)
    squeeze, excite = (
        layer.weight.detach().numpy() for layer in (fusion.excite.squeeze, fusion.excite.excite)
    )
    assert squeeze.shape == (4, 64)  # reduction 16
    gate = 1 / (1 + np.exp(-(excite @ np.maximum(squeeze @ stem.mean(axis=(1, 2)), 0))))
    with torch.no_grad():
        assert np.allclose(fusion(torch.from_numpy(image)[None])[0], stem * gate[:, None, None], atol=1e-5)


def test_a_learned_gate_begins_as_the_released_one():
    torch.manual_seed(5)
    learned = Fusion((3, 1), 64, "learned")
    released = Fusion((3, 1), 64, "released")
    missing = released.load_state_dict(learned.state_dict(), strict=False)
    assert missing.missing_keys == [] and len(missing.unexpected_keys) == 2
    x = torch.rand(1, 4, 8, 8)
    assert torch.equal(learned(x), released(x))


def test_pooling_three_times_by_5_pools_by_5_9_and_13():
    torch.manual_seed(6)
    spp = stir(SPP(16)).eval()
    x = torch.randn(1, 16, 20, 23)
    with torch.no_grad():
        less = spp.reduce(x)
        pools = [functional.max_pool2d(less, k, stride=1, padding=k // 2) for k in (5, 9, 13)]
        assert torch.equal(spp(x), spp.join(torch.cat([less, *pools], dim=1)))


def hand_decoded(values, anchor, column, row, stride):
    s = [1 / (1 + math.exp(-v)) for v in values]
    return [
        (2 * s[0] - 0.5 + column) * stride,
        (2 * s[1] - 0.5 + row) * stride,
        (2 * s[2]) ** 2 * anchor[0],
        (2 * s[3]) ** 2 * anchor[1],
    ]


def test_boxes_are_decoded_as_yolov5_does():
    torch.manual_seed(7)
    head = Head([8, 8, 8], 2, stride=4, anchors=ANCHORS, oriented=False)
    maps = [torch.randn(1, 3, h, w, 7) for h, w in ((4, 6), (2, 3), (1, 2))]
    rows = head.decode(maps)[0].tolist()
    number = 0
    for scale, said in enumerate(maps):
        for anchor in range(3):
            for row in range(said.shape[2]):
                for column in range(said.shape[3]):
                    values = said[0, anchor, row, column].tolist()
                    box = hand_decoded(values, ANCHORS[scale][anchor], column, row, 4 * 2**scale)
                    rest = [1 / (1 + math.exp(-v)) for v in values[4:]]
                    assert rows[number] == pytest.approx([*box, *rest], rel=1e-4, abs=1e-4)
                    number += 1
    assert number == len(rows)


def test_silence_is_an_anchor_at_the_middle_of_its_cell():
    head = Head([8], 1, stride=4, anchors=ANCHORS[:1], oriented=True)
    rows = head.decode([torch.zeros(1, 3, 2, 2, 8)])[0]
    assert rows[3, :4].tolist() == pytest.approx([6, 6, 10, 13])
    assert rows.shape == (12, 7)


def test_angles_are_half_the_direction_of_a_pair():
    head = Head([8], 1, stride=4, anchors=ANCHORS[:1], oriented=True)
    said = torch.zeros(1, 3, 1, 1, 8)
    for anchor, angle in enumerate((0.3, -1.2, 1.5)):
        said[0, anchor, 0, 0, 4:6] = 7 * torch.tensor([math.sin(2 * angle), math.cos(2 * angle)])
    assert head.decode([said])[0, :, 4].tolist() == pytest.approx([0.3, -1.2, 1.5], abs=1e-5)
    assert (head.decode([torch.randn(2, 3, 9, 9, 8)])[..., 4].abs() <= math.pi / 2 + 1e-6).all()


def test_training_begins_with_the_belief_of_yolov5():
    """8 objects in an image of 640 pixels; 0.6 of (classes - 0.99) for a class; upright."""
    torch.manual_seed(8)
    head = Head([64], 8, stride=4, anchors=ANCHORS[:1], oriented=True)
    torch.nn.init.zeros_(head.convs[0].weight)
    bias = head.convs[0].bias.view(3, -1).detach()
    spread = 64**-0.5  # of a convolution's bias at the start
    assert (bias[:, 6] - math.log(8 / 160**2)).abs().max() <= spread
    assert (bias[:, 7:] - math.log(0.6 / 7.01)).abs().max() <= spread
    assert (bias[:, 5] - 1).abs().max() <= spread and bias[:, :5].abs().max() <= spread


def test_sides_and_bands_that_do_not_fit_are_refused():
    model = Yolo(classes=1, width=0.125).eval()
    for shape in ((1, 3, 32, 32), (1, 4, 32, 40), (1, 4, 33, 32)):
        with pytest.raises(InputError) as caught:
            model(torch.zeros(shape))
        assert "4 bands" in caught.value.hint and "of 16" in caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"classes": 0},
        {"groups": ()},
        {"groups": (3, 0)},
        {"scales": 2},
        {"width": 0.0},
        {"width": 3.0},
        {"depth": -1.0},
        {"groups": (4, 1), "fusion": "mid2"},
        {"anchors": [[[10.0, 13.0]]]},
        {"anchors": [[[10.0, 13.0], [0.0, 5.0], [3.0, 3.0]]]},
    ],
)
def test_options_that_make_no_network_are_refused(options):
    with pytest.raises(InputError) as caught:
        Yolo(**({"classes": 1, "width": 0.125} | options))
    assert caught.value.hint


def test_unknown_names_get_the_nearest_one():
    with pytest.raises(UnknownNameError) as caught:
        build("superyollo", classes=1)
    assert "superyolo" in caught.value.hint


def test_other_anchors_are_used():
    sizes = [[[2.0, 3.0], [5.0, 4.0], [8.0, 9.0]]]
    model = Yolo(classes=1, width=0.125, anchors=sizes).eval()
    assert model.head.anchors.tolist() == sizes
