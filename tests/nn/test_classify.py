"""Classifiers against published parameter counts, and their files."""

import pytest
import torch
from safetensors.torch import save_file

from vedette.errors import InputError, UnknownNameError
from vedette.nn.classifier_file import Classifier, load_classifier, save_classifier, shipped
from vedette.nn.classify import ResNet, VisionTransformer, build_classifier


@pytest.mark.parametrize(
    "depth, millions", [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]
)  # He et al. 2015, table 6
def test_resnets_have_the_published_parameters(depth, millions):
    with torch.device("meta"):
        found = sum(p.numel() for p in ResNet(depth=depth).parameters()) / 1e6
    assert found == pytest.approx(millions, abs=0.05 if depth == 110 else 0.006)


@pytest.mark.parametrize("name, millions", [("deit-tiny", 5.72), ("deit-small", 22.05), ("deit-base", 86.57)])
def test_transformers_have_the_published_parameters(name, millions):
    with torch.device("meta"):
        found = sum(p.numel() for p in build_classifier(name, classes=1000).parameters()) / 1e6
    assert found == pytest.approx(millions, abs=0.006)


def test_a_transformer_is_the_attention_of_the_paper_by_hand():
    """One block against softmax(q k^T / sqrt(d)) v written out."""
    torch.manual_seed(0)
    model = VisionTransformer(image_size=8, patch_size=4, embed_dim=6, depth=1, num_heads=2, classes=3)
    block = model.blocks[0]
    x = torch.randn(2, 5, 6)
    normed = torch.nn.functional.layer_norm(x, (6,), block.norm1.weight, block.norm1.bias, 1e-6)
    q, k, v = (normed @ block.attn.qkv.weight.T + block.attn.qkv.bias).split(6, dim=2)
    heads = []
    for h in range(2):
        part = slice(3 * h, 3 * h + 3)
        weights = (q[..., part] @ k[..., part].transpose(1, 2) / 3**0.5).softmax(-1)
        heads.append(weights @ v[..., part])
    mixed = torch.cat(heads, 2)
    wanted = x + mixed @ block.attn.proj.weight.T + block.attn.proj.bias
    assert torch.allclose(wanted + block.mlp(block.norm2(wanted)), block(x), atol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ResNet(depth=21),
        lambda: VisionTransformer(image_size=30, patch_size=8),
        lambda: VisionTransformer(embed_dim=10, num_heads=3),
        lambda: build_classifier("vit-64", classes=2)(torch.zeros(1, 3, 32, 32)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call):
    with pytest.raises(InputError):
        call()


def test_an_unknown_classifier_is_named():
    with pytest.raises(UnknownNameError, match="resnet21"):
        build_classifier("resnet21", classes=2)


def test_a_file_gives_the_same_classifier_in_half_precision(tmp_path):
    torch.manual_seed(1)
    model = build_classifier("resnet20", classes=3).eval()
    path = tmp_path / "mine.safetensors"
    save_classifier(path, Classifier(model, "resnet20", ("a", "b", "c"), 32))
    found = load_classifier(path)
    assert (found.name, found.classes, found.side) == ("resnet20", ("a", "b", "c"), 32)
    x = torch.rand(2, 3, 32, 32)
    assert torch.allclose(found.model(x), model(x), atol=0.02)


def test_files_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        load_classifier(tmp_path / "nothing.safetensors")
    text = tmp_path / "text.safetensors"
    text.write_text("not tensors")
    with pytest.raises(InputError, match="no safetensors file"):
        load_classifier(text)
    other = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(1)}, other)
    with pytest.raises(InputError, match="no classifier"):
        load_classifier(other)
    save_file({"x": torch.zeros(1)}, other, metadata={"classifier": '{"name": "resnet20"}'})
    with pytest.raises(InputError, match="damaged"):
        load_classifier(other)
    with pytest.raises(UnknownNameError, match="resnet-eurosat"):
        load_classifier("resnet-eurosat")
    assert "charm-lite" not in shipped()
