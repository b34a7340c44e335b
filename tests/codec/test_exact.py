"""What is decoded is the same everywhere: threads, oneDNN, instruction sets, processes, tile order."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import needs
import numpy as np
import pytest
import torch

from vedette.bitstream import product
from vedette.codec import encode_image, load
from vedette.codec.codec import WEIGHTS, Codec
from vedette.codec.latents import integer, network
from vedette.codec.latents.format import Format
from vedette.codec.latents.freezer import quantize
from vedette.codec.models import build
from vedette.codec.scene import SceneDecoder

PROGRAM = """
import hashlib, sys, torch
torch.set_num_threads(int(sys.argv[2]))
from vedette.bitstream import product
from vedette.codec import load
from vedette.codec.scene import SceneDecoder
decoder = SceneDecoder(product.read(open(sys.argv[1], "rb").read()), load())
digest = hashlib.sha256()
with torch.backends.mkldnn.flags(enabled=sys.argv[3] == "onednn"):
    for tile in range(decoder.header.tiles):
        digest.update(decoder._tile(tile, 0)[0].numpy().tobytes())
print(digest.hexdigest())
"""


def latent_hash(data: bytes, order: int = 1) -> str:
    decoder = SceneDecoder(product.read(data), load())
    tiles = list(range(decoder.header.tiles))[::order]
    latents = {tile: decoder._tile(tile, 0)[0] for tile in tiles}
    digest = hashlib.sha256()
    for tile in sorted(latents):
        digest.update(latents[tile].numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def tiled(sample_image):
    return encode_image(sample_image, load(), quality=40, tile=128)


def test_latents_do_not_depend_on_tile_order(tiled):
    assert latent_hash(tiled) == latent_hash(tiled, order=-1)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("onednn", [True, False])
def test_latents_do_not_depend_on_threads_or_library(tiled, threads, onednn):
    expected = latent_hash(tiled)
    torch.set_num_threads(threads)
    try:
        with torch.backends.mkldnn.flags(enabled=onednn):
            assert latent_hash(tiled) == expected
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize(
    "settings",
    [{"ATEN_CPU_CAPABILITY": "default"}, {"ONEDNN_MAX_CPU_ISA": "SSE41"}, {"ONEDNN_MAX_CPU_ISA": "AVX2"}],
    ids=str,
)
def test_latents_do_not_depend_on_the_instruction_set(tiled, settings, tmp_path):
    path = tmp_path / "tiled.vdt"
    path.write_bytes(tiled)
    command = [sys.executable, "-c", PROGRAM, str(path), "2", "onednn"]
    run = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == latent_hash(tiled)


def test_the_same_input_gives_the_same_bytes(sample_image, tiled):
    assert encode_image(sample_image, load(), quality=40, tile=128) == tiled


def shipped_again() -> Codec:
    return Codec("charm-lite", (WEIGHTS / "charm-lite.safetensors").read_bytes())


def test_every_filter_keeps_its_certificate(monkeypatch):
    """sum |w| * largest input + |b| stays below 2^24 for every filter of the shipped weights."""
    monkeypatch.setattr(network, "kernel", lambda: None)
    layers = shipped_again().coder.entropy.run.convolutions
    assert len(layers) == 2 + 5 * len(load().network.steps)
    assert {layer.carrier for layer in layers.values()} == {"float32"}
    for layer in layers.values():
        most = torch.tensor(layer.input_max, dtype=torch.float64)
        worst = layer.filters.double().abs().sum(dim=(2, 3)) @ most + layer.bias.double().abs()
        assert worst.max() < 2**24


@needs.native(network.kernel())
def test_16_bit_convolutions_give_the_bytes_of_float32(sample_image, tiled, monkeypatch):
    assert {layer.carrier for layer in load().coder.entropy.run.convolutions.values()} == {"int16"}
    monkeypatch.setattr(network, "kernel", lambda: None)
    assert encode_image(sample_image, shipped_again(), quality=40, tile=128) == tiled


def test_no_input_leaves_the_range_that_its_certificate_counts_on(sample_image, monkeypatch):
    """Every activation of a real scene, at the extremes of quality, is an integer within `input_max`."""
    seen = []
    call = network.IntegerConv.__call__

    def checked(layer, x):
        most = torch.tensor(layer.input_max)[:, None, None]
        assert torch.equal(x, x.round())
        assert (x.abs() <= most).all()
        seen.append(layer)
        return call(layer, x)

    monkeypatch.setattr(network.IntegerConv, "__call__", checked)
    for quality in (1, 64):
        encode_image(sample_image, load(), quality=quality)
    assert len({id(layer) for layer in seen}) == len(load().coder.entropy.run.convolutions)


def test_integer_layers_follow_the_float_ones():
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(5, 7, 3, padding=1)
    tensors = quantize(conv, Format.of(5, 5, 511), 8, -(2**15), 2**15)
    layer = network.load_conv({f"x.{name}": value for name, value in tensors.items()}, "x")
    x = torch.randint(-511, 512, (1, 5, 6, 6)).float()
    expected = conv(x / 32)
    assert torch.allclose(layer(x) / 256, expected, atol=0.03)
    assert torch.equal(layer(x), layer(x).round())


@pytest.mark.parametrize("quality", [1.0, 10.3, 33.0, 64.0])
def test_gains_in_integers_follow_the_float_gains(quality):
    model = build("charm-lite")
    code = integer.quality_code(quality)
    log2, inverse = integer.gains(torch.round(model.log2_gain.detach() * 64).int().numpy(), code)
    expected = model.gain(torch.tensor([code / 256])).flatten().detach().numpy()
    assert np.allclose(2.0 ** (log2 / 64), expected, rtol=0.02)
    assert np.allclose(65536 / inverse, 2.0 ** (log2 / 64), rtol=0.01)


def test_the_golden_product_of_format_1_decodes_as_ever():
    golden = Path(__file__).parents[1] / "golden"
    expected = json.loads((golden / "scene-format1.json").read_text())["latents_sha256"]
    assert latent_hash((golden / "scene-format1.vdt").read_bytes()) == expected


def test_the_reference_coder_decodes_the_golden_product(monkeypatch):
    """Without the compiled module the same latents come out."""
    from vedette.bitstream import rans

    golden = Path(__file__).parents[1] / "golden"
    expected = json.loads((golden / "scene-format1.json").read_text())["latents_sha256"]
    monkeypatch.setattr(rans, "_kernel", lambda: None)
    assert latent_hash((golden / "scene-format1.vdt").read_bytes()) == expected
