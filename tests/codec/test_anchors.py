"""The encoders we compare with write real files that come back as images."""

import builtins
import io
import sys

import numpy as np
import pytest
from PIL import Image

from vedette.codec.anchors import ENCODERS, PUBLISHED, coder, published
from vedette.errors import MissingExtraError, UnknownNameError
from vedette.tools import ffmpeg

QUICK = [name for name in ENCODERS if name not in ("avif-slow", "vvc")]
MAGIC = {  # the first bytes that each format's own specification asks for
    "jpeg": b"\xff\xd8\xff",
    "jpeg2000": b"\xff\x4f\xff\x51",
    "webp": b"RIFF",
    "jxl": b"\xff\x0a",
    "vvc-fast": b"\x00\x00\x00\x01",
}


def scene(height: int = 65, width: int = 98) -> np.ndarray:
    """Smooth colors with texture, (3, h, w); both an odd and an even side."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    base = np.stack([100 + x, 60 + 2 * y, 200 - x]) + 12 * np.sin(x / 3) * np.sin(y / 4)
    return np.clip(base + rng.normal(0, 3, base.shape), 0, 255).astype(np.uint8)


def available(name: str) -> bool:
    try:
        return bool(coder(name).label)
    except MissingExtraError:
        return False


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("name", QUICK)
def test_more_bytes_buy_a_better_image_of_the_same_size(name):
    if not available(name):
        pytest.skip(f"{name} needs the extra `anchors`")
    encoder, image = coder(name), scene()
    low, high = (encoder.encode(image, encoder.settings[i]) for i in (0, -1))
    decoded = [encoder.decode(data)[:, :65, :98] for data in (low, high)]
    assert len(low) < len(high) < image.size
    assert all(pixels.shape == image.shape and pixels.dtype == np.uint8 for pixels in decoded)
    assert 15 < psnr(decoded[0], image) < psnr(decoded[1], image)
    assert psnr(decoded[1], image) > 33  # colors have not been exchanged, nor rows with columns


@pytest.mark.parametrize("name", MAGIC)
def test_the_bytes_are_a_file_of_that_format(name):
    if not available(name):
        pytest.skip(f"{name} needs the extra `anchors`")
    assert coder(name).encode(scene(), coder(name).settings[0]).startswith(MAGIC[name])


def test_only_vvc_returns_even_sides():
    assert {name for name, encoder in ENCODERS.items() if encoder.even_sides} == {"vvc", "vvc-fast"}


def test_jpeg_is_what_its_label_says():
    data = coder("jpeg").encode(scene(), 50)
    picture = Image.open(io.BytesIO(data))
    assert picture.layer[0][1:3] == (2, 2) and "4:2:0" in coder("jpeg").label


@pytest.mark.parametrize("name", ENCODERS)
def test_every_label_names_a_version(name):
    if not available(name):
        pytest.skip(f"{name} needs the extra `anchors`")
    assert any(character.isdigit() for character in coder(name).label.split("via")[-1])
    assert "?" not in coder(name).label


@pytest.mark.parametrize(("name", "module"), [("jxl", "imagecodecs"), ("vvc", "imageio_ffmpeg")])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(name, module, monkeypatch):
    real = builtins.__import__

    def without(wanted, *args, **more):
        if wanted.split(".")[0] == module:
            raise ImportError(wanted)
        return real(wanted, *args, **more)

    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    ffmpeg.has_vvenc.cache_clear()
    with pytest.raises(MissingExtraError) as caught:
        coder(name).encode(scene(), 30.0)
    ffmpeg.has_vvenc.cache_clear()
    assert "vedette[anchors]" in caught.value.hint


def test_an_unknown_encoder_is_refused_with_the_nearest_name():
    with pytest.raises(UnknownNameError) as caught:
        coder("jpg2000")
    assert caught.value.hint == "did you mean 'jpeg2000'?"


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_published_points_rise_and_say_where_they_are_from(dataset):
    points = published(dataset)
    assert list(points.curve.bpp) == sorted(points.curve.bpp)
    assert list(points.curve.psnr_db) == sorted(points.curve.psnr_db)
    assert "commit" in points.source and points.license
    assert "VTM-9.1" in points.curve.label


def test_two_published_points_are_the_ones_in_print():
    # VTM-9.1 at QP 37: Kodak as CompressAI prints it, Tecnick as LALIC does.
    kodak, tecnick = published("kodak").curve, published("tecnick").curve
    assert (round(kodak.bpp[2], 4), round(kodak.psnr_db[2], 2), round(kodak.ms_ssim[2], 4)) == (
        0.2458,
        31.20,
        0.9561,
    )
    assert (round(tecnick.bpp[2], 4), round(tecnick.psnr_db[2], 2), tecnick.ms_ssim) == (0.1802, 32.95, ())


def test_an_unknown_published_set_is_refused():
    with pytest.raises(UnknownNameError, match="published anchor"):
        published("kodack")
