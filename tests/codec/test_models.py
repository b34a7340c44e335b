"""What every network in the table of models must do; a new one is tested by being there."""

import numpy as np
import pytest
import torch
from torch import nn

from vedette.bitstream import product
from vedette.codec import (
    MODELS,
    available,
    build,
    decode_array,
    encode_image,
    freeze,
    kilo_macs_per_pixel,
    load,
)
from vedette.codec.codec import Codec
from vedette.codec.models import TINY
from vedette.codec.scene import SceneDecoder
from vedette.errors import CorruptProductError, InputError, UnknownNameError


@pytest.fixture(scope="module")
def image(sample_image):
    return torch.from_numpy(sample_image[:, :128, :192] / 255).float()


@pytest.fixture(scope="module", params=MODELS)
def tiny(request, image):
    """An untrained network of the table, small, started as training starts it."""
    torch.manual_seed(3)
    model = build(request.param, **TINY[request.param])
    model.calibrate(image[None])
    return model.eval()


@pytest.fixture(scope="module")
def codec(tiny, image):
    return Codec(tiny.name, freeze(tiny, image[None]))


def test_the_steps_cover_y_once(tiny):
    seen = torch.zeros(tiny.latents, 2, dtype=torch.int)
    for step in tiny.steps:
        seen[step.low : step.high, [0, 1] if step.parity is None else step.parity] += 1
    assert (seen == 1).all()
    assert 0 < tiny.coarse_steps < len(tiny.steps)
    assert len(tiny.slices) == len(tiny.steps)


def test_its_configuration_builds_it_again(tiny):
    again = build(tiny.name, **tiny.configuration)
    again.load_state_dict(tiny.state_dict())
    assert again.name == tiny.name and again.configuration == tiny.configuration


def test_every_parameter_is_used(tiny, image):
    """A layer that no gradient reaches is dead; `log2_gain` has anchors of other qualities."""
    tiny.train()
    try:
        batch = image[None, :, :128, :128].repeat(2, 1, 1, 1)
        coded = tiny(batch, torch.tensor([8.0, 50.0]))
        loss = coded.bits_y.mean() + coded.bits_z.mean() + 1e4 * (coded.image - batch).square().mean()
        loss.backward()
        unused = [name for name, p in tiny.named_parameters() if p.grad is None]
    finally:
        tiny.eval()
        tiny.zero_grad()
    assert unused == []


@pytest.mark.parametrize("quality", [5.0, 40.0])
def test_products_decode_to_the_latents_of_the_encoder(codec, tiny, image, quality):
    y = codec.analyze(image, quality)
    streams, latents = codec.encode_latents(y, quality)
    again = codec.decode_latents(streams, y.shape[2], y.shape[3])
    assert torch.equal(latents.values, again.values)
    with torch.no_grad():
        expected = tiny(image[None], torch.tensor([quality]), rdoq=True).image[0].clamp(0, 1)
    assert (codec.synthesize(again.as_float(), quality) - expected).abs().mean() < 0.02


def test_latents_do_not_depend_on_threads_or_library(codec, image):
    y = codec.analyze(image, 30.0)
    streams, latents = codec.encode_latents(y, 30.0)
    for threads, onednn in ((1, False), (2, True), (2, False)):
        torch.set_num_threads(threads)
        try:
            with torch.backends.mkldnn.flags(enabled=onednn):
                again = codec.decode_latents(streams, y.shape[2], y.shape[3])
        finally:
            torch.set_num_threads(1)
        assert torch.equal(latents.values, again.values)


def test_sizes_that_the_strides_do_not_divide(codec):
    """One position of y, and an odd number of them."""
    for rows, columns in ((1, 1), (3, 5)):
        part = torch.rand(3, rows * codec.block, columns * codec.block)
        y = codec.analyze(part, 20.0)
        assert y.shape[2:] == (rows, columns)
        streams, latents = codec.encode_latents(y, 20.0)
        assert torch.equal(codec.decode_latents(streams, rows, columns).values, latents.values)


def test_the_coarse_stream_alone_is_a_preview(codec, image):
    y = codec.analyze(image, 40.0)
    streams, whole = codec.encode_latents(y, 40.0)
    preview = codec.decode_latents([streams[0], None], y.shape[2], y.shape[3])
    low = codec.network.steps[codec.network.coarse_steps - 1].high
    assert torch.equal(preview.values[:, :low], whole.values[:, :low])
    pixels = codec.synthesize(preview.as_float(), preview.quality)
    assert pixels.shape == image.shape and torch.isfinite(pixels).all()
    with pytest.raises(CorruptProductError):
        codec.decode_latents([None, streams[1]], y.shape[2], y.shape[3])


def test_a_product_cut_off_after_the_low_bands_opens(codec, sample_image):
    """Every tile, at least coarse: for a wavelet codec that is all of the low band."""
    image = sample_image[:, :112, :144]
    data = encode_image(image, codec, quality=40, tile=64)
    chunks = [section for section in product.read(data).sections if section[0] == "chunk"]
    cut = data[: chunks[len(chunks) // 2][1]]
    assert len(cut) < len(data)
    decoder = SceneDecoder(product.read(cut), codec)
    for _ in decoder.tiles():
        pass
    assert decoder.report().missing == () and len(decoder.report().coarse) == 6
    preview, whole = decode_array(cut, codec), decode_array(data, codec)
    assert preview.shape == whole.shape == image.shape


def test_tiles_that_blocks_do_not_fill_are_refused(codec, sample_image):
    with pytest.raises(InputError, match="tiles of 60 pixels"):
        encode_image(sample_image, codec, quality=40, tile=60)


def test_pixels_beyond_the_halo_do_not_matter(tiny):
    """Analysis and synthesis of the middle of a scene see it and its halo; networks that start at zero are
    given weights."""
    tiny = build(tiny.name, **TINY[tiny.name]).eval()
    torch.manual_seed(5)
    for module in tiny.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
    block, (reach_a, reach_s) = tiny.block, tiny.halo
    reach_a, reach_s = 2 * -(-reach_a // 2), 2 * -(-reach_s // 2)  # wavelets of two levels pair positions
    quality = torch.tensor([30.0])
    side = 2 * max(reach_a, reach_s) + 12
    scene = torch.rand(1, 3, side * block, 4 * block)
    with torch.no_grad():
        whole = tiny.analyze(scene, quality)[:, :, reach_a + 4 : reach_a + 8]
        part = tiny.analyze(scene[:, :, 4 * block : (2 * reach_a + 8) * block], quality)
        scale = whole.abs().max()
        assert (part[:, :, reach_a : reach_a + 4] - whole).abs().max() < 5e-4 * scale
        y = torch.randn(1, tiny.latents, side, 4)
        whole = tiny.synthesize(y, quality)[:, :, (reach_s + 4) * block : (reach_s + 8) * block]
        part = tiny.synthesize(y[:, :, 4 : 2 * reach_s + 8], quality)
        scale = whole.abs().max()
        assert (part[:, :, reach_s * block : (reach_s + 4) * block] - whole).abs().max() < 5e-4 * scale


def test_weconvene_has_the_published_parameters():
    """107.147 M less three convolutions that the released code never runs, and what our form adds."""
    model = build("weconvene")
    count = sum(p.numel() for p in model.parameters())
    gains = model.log2_gain.numel()
    plane = 128 * 2 * len(model.steps)  # one more input channel of every attention
    prior = sum(p.numel() for p in model.prior_z.parameters())
    published_prior = 192 * (33 + 13 + 12 + 3)  # five layers of width 3, and quantiles
    unused = 3 * (128 * 128 * 9 + 128)
    assert abs(count - gains - plane - prior + published_prior + unused - 107.147e6) < 500


def test_weconvene_has_the_published_multiply_adds():
    """2343 kMAC/pixel in the table of HPCM."""
    assert abs(kilo_macs_per_pixel("weconvene") / 2343 - 1) < 0.001


@pytest.mark.parametrize("name", ["weconvene-lite", "weconvene3d-lite"])
def test_lite_forms_cost_what_charm_lite_costs(name):
    assert abs(kilo_macs_per_pixel(name) / kilo_macs_per_pixel("charm-lite") - 1) < 0.05


def test_lite_trunks_begin_as_a_wavelet_codec(image):
    """Residual networks are zero at the start: the decoded image differs by quantization alone."""
    for name in ("weconvene-lite", "weconvene3d-lite"):
        model = build(name).eval()
        model.calibrate(image[None, :, :128, :128])
        quality = torch.tensor([60.0])
        with torch.no_grad():
            back = model.synthesize(model.analyze(image[None], quality), quality)
        assert torch.allclose(back[0], image, atol=1e-4)


@pytest.mark.parametrize("name", available())
def test_shipped_weights_code_the_sample(name, sample_image):
    weights = load(name)
    data = encode_image(sample_image, weights, quality=40)
    error = decode_array(data, weights).astype(float) - sample_image
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 32
    assert 8 * len(data) / sample_image[0].size < 4


def test_a_paper_size_name_stands_for_the_weights_of_its_lite_form():
    assert load("weconvene").name == "weconvene-lite"
    assert load("weconvene3d").network.name == "weconvene3d-lite"
    with pytest.raises(UnknownNameError):
        load("weconvene4d")
