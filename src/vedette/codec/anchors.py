"""The codecs to be measured against: real encoders that write real files.

JPEG, JPEG 2000, WebP and AVIF come with Pillow; JPEG XL with imagecodecs and VVC with the ffmpeg of
imageio-ffmpeg, both in the extra `anchors`. Every label names the setting and the library's version,
without which a figure cannot be compared.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
import PIL
from jaxtyping import UInt8
from PIL import Image, features

from vedette.errors import InputError, MissingExtraError, UnknownNameError
from vedette.metrics.curves import Curve
from vedette.tools import ffmpeg

Pixels = UInt8[np.ndarray, "3 h w"]


@dataclass(frozen=True, kw_only=True)
class Coder:
    """A codec as evaluation sees it: pixels to bytes at a setting, and back.

    Attributes:
        name: short, for tables.
        settings: what `encode` takes, from the lowest rate to the highest.
        encode, decode: the whole file's bytes of an image (3, h, w), and the image again.
        describe: returns the label: setting, library, version.
        even_sides: `decode` returns even sides, an odd one extended by a row or column.
    """

    name: str
    settings: tuple[float, ...]
    encode: Callable[[Pixels, float], bytes] = field(repr=False)
    decode: Callable[[bytes], Pixels] = field(repr=False)
    describe: Callable[[], str] = field(repr=False)
    even_sides: bool = False

    @property
    def label(self) -> str:
        """The precise name: setting, library, version."""
        return self.describe()


@dataclass(frozen=True, kw_only=True)
class Published:
    """A curve that somebody published: on what set, of how many images, found where, under what terms."""

    curve: Curve
    dataset: str
    images: int
    source: str
    license: str


PUBLISHED = ("kodak", "tecnick", "clic")


def published(dataset: str) -> Published:
    """The VTM-9.1 points on a test set: "kodak", "tecnick" or "clic" (2020, professional, validation).

    MS-SSIM is known for Kodak only.

    Raises:
        UnknownNameError: no such set.

    >>> len(published("kodak").curve.bpp)
    8
    """
    if dataset not in PUBLISHED:
        raise UnknownNameError("published anchor", dataset, PUBLISHED)
    text = (files("vedette.codec") / "published" / f"{dataset}.json").read_text(encoding="utf-8")
    data = json.loads(text)
    points = {key: tuple(values) for key, values in data["points"].items()}
    return Published(
        curve=Curve(name=data["name"], label=data["label"], **points),
        dataset=data["set"],
        images=data["images"],
        source=data["source"],
        license=data["license"],
    )


def coder(name: str) -> Coder:
    """The encoder of that name in ENCODERS.

    Raises:
        UnknownNameError: no such encoder.

    >>> coder("webp").settings[0]
    2
    """
    if name not in ENCODERS:
        raise UnknownNameError("encoder", name, ENCODERS)
    return ENCODERS[name]


def _with_pillow(
    image: Pixels, setting: float, *, kind: str, options: Callable[[float], dict[str, Any]]
) -> bytes:
    if not features.check(_FEATURE[kind]):
        raise MissingExtraError(f"this Pillow was built without {kind}", hint="pip install --upgrade pillow")
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, kind, **options(setting))
    return buffer.getvalue()


def _by_pillow(data: bytes) -> Pixels:
    with Image.open(BytesIO(data)) as picture:
        return np.ascontiguousarray(np.asarray(picture.convert("RGB")).transpose(2, 0, 1))


def _pillow_label(title: str, library: str, kind: str) -> str:
    version = features.version(_FEATURE[kind]) or "?"
    if kind == "JPEG":
        version = features.version_feature("libjpeg_turbo") or version
    return f"{title}, {library} {version} via Pillow {PIL.__version__}"


def _pillow(
    name: str,
    kind: str,
    title: str,
    library: str,
    settings: tuple[float, ...],
    options: Callable[[float], dict[str, Any]],
) -> Coder:
    encode = partial(_with_pillow, kind=kind, options=options)
    describe = partial(_pillow_label, title, library, kind)
    return Coder(name=name, settings=settings, encode=encode, decode=_by_pillow, describe=describe)


def _avif(quality: float, *, speed: int) -> dict[str, Any]:
    return {
        "quality": round(quality),
        "speed": speed,
        "subsampling": "4:4:4",
        "max_threads": 1,
        "codec": "aom",
    }


def _imagecodecs() -> Any:
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingExtraError(
            "JPEG XL is needed, and imagecodecs is not installed", hint="pip install 'vedette[anchors]'"
        ) from error
    return imagecodecs


def _encode_jxl(image: Pixels, distance: float) -> bytes:
    pixels = np.ascontiguousarray(image.transpose(1, 2, 0))
    return bytes(
        _imagecodecs().jpegxl_encode(pixels, distance=distance, effort=7, lossless=False, numthreads=1)
    )


def _decode_jxl(data: bytes) -> Pixels:
    return np.ascontiguousarray(_imagecodecs().jpegxl_decode(data, numthreads=1)[..., :3].transpose(2, 0, 1))


def _jxl_label() -> str:
    library = _imagecodecs()
    return f"JPEG XL, effort 7, {library.jpegxl_version()} via imagecodecs {library.__version__}"


def _encode_vvc(image: Pixels, qp: float, *, preset: str) -> bytes:
    if qp != round(qp):
        raise InputError(f"VVC with QP {qp}", hint="give a whole number")
    return ffmpeg.vvc_encode(image, round(qp), preset=preset)


def _vvc_label(preset: str) -> str:
    own, vvenc = ffmpeg.versions()
    return f"VVC by VVenC {vvenc} via ffmpeg {own}, preset {preset}, QP, QPA off, 4:2:0 10 bit"


def _vvc(name: str, preset: str) -> Coder:
    return Coder(
        name=name,
        settings=(47, 42, 37, 32, 27, 22),
        encode=partial(_encode_vvc, preset=preset),
        decode=ffmpeg.vvc_decode,
        describe=partial(_vvc_label, preset),
        even_sides=True,
    )


_FEATURE = {"JPEG": "jpg", "JPEG2000": "jpg_2000", "WEBP": "webp", "AVIF": "avif"}
_JPEG_QUALITIES = (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 88, 94)
_WEBP_QUALITIES = (2, 6, 12, 20, 30, 40, 50, 60, 70, 80, 88, 94)
_AVIF_QUALITIES = (12, 20, 28, 36, 44, 52, 60, 68, 76, 84, 92)
_RATIOS = (160, 120, 90, 64, 48, 36, 27, 20, 15, 11, 8)  # bits before over bits after

_ALL = (
    _pillow(
        "jpeg",
        "JPEG",
        "JPEG 4:2:0, optimized Huffman tables",
        "libjpeg-turbo",
        _JPEG_QUALITIES,
        lambda quality: {"quality": round(quality), "subsampling": "4:2:0", "optimize": True},
    ),
    _pillow(
        "jpeg2000",
        "JPEG2000",
        "JPEG 2000, 9/7 wavelet, bare codestream",
        "OpenJPEG",
        _RATIOS,
        lambda ratio: {
            "quality_mode": "rates",
            "quality_layers": [ratio],
            "irreversible": True,
            "mct": 1,
            "no_jp2": True,
        },
    ),
    _pillow(
        "webp",
        "WEBP",
        "WebP, method 6",
        "libwebp",
        _WEBP_QUALITIES,
        lambda quality: {"quality": round(quality), "method": 6},
    ),
    _pillow("avif", "AVIF", "AVIF 4:4:4, speed 6", "libavif", _AVIF_QUALITIES, partial(_avif, speed=6)),
    _pillow("avif-slow", "AVIF", "AVIF 4:4:4, speed 2", "libavif", _AVIF_QUALITIES, partial(_avif, speed=2)),
    Coder(
        name="jxl",
        settings=(15, 11, 8, 6, 4.5, 3.2, 2.3, 1.6, 1.1, 0.7),
        encode=_encode_jxl,
        decode=_decode_jxl,
        describe=_jxl_label,
    ),
    _vvc("vvc", "medium"),
    _vvc("vvc-fast", "faster"),
)
ENCODERS = {encoder.name: encoder for encoder in _ALL}
