"""One codec on one set of images: rates, qualities and times, setting by setting.

Every rate is the size of the whole file, header included. PSNR of 8-bit RGB is taken per image and
averaged, as are bits per pixel and MS-SSIM: the protocol of recent papers. (PSNR of the mean squared error
of all images together would be some 0.2 to 0.6 dB lower.)
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Shaped, UInt8

from vedette.codec.anchors import Coder, Pixels
from vedette.errors import InputError, VedetteError
from vedette.images import read_image
from vedette.metrics import Curve, ms_ssim, psnr
from vedette.metrics.distortion import WINDOW

QUALITIES = (4.0, 12.0, 20.0, 28.0, 36.0, 44.0, 52.0, 60.0)

Item = Path | Shaped[np.ndarray, "_ _ _"]  # an image file, or the pixels, (bands, h, w)
Progress = Callable[[str, int, int], None]  # a coder's name, images done, images in all


@runtime_checkable
class ImageCodec(Protocol):
    """What a codec of ours must offer to be measured."""

    def encode_image(self, image: UInt8[np.ndarray, "c h w"], quality: float) -> bytes:
        """The whole file of an image at `quality`, 1..64."""

    def decode_image(self, data: bytes) -> UInt8[np.ndarray, "c h w"]:
        """The image of such a file."""


def as_coder(codec: ImageCodec, name: str, label: str, *, qualities: Sequence[float] = QUALITIES) -> Coder:
    """Our codec in the same shape as every other encoder, at `qualities`, rising."""
    return Coder(
        name=name,
        settings=tuple(qualities),
        encode=codec.encode_image,
        decode=codec.decode_image,
        describe=lambda: label,
    )


def measure(images: Sequence[Item], coder: Coder, *, progress: Progress | None = None) -> Curve:
    """The curve of `coder` over `images`, which are encoded and decoded at each of its settings.

    MS-SSIM is left out where an image has a side below 11 pixels. One image is coded first and not timed,
    since libraries set up at their first call. Files are read one at a time.

    Args:
        images: 8-bit; gray is coded as RGB.

    Raises:
        InputError: no image, or not 8-bit gray or RGB.
        VedetteError: the coder returned an image of another size or type.
    """
    if not images:
        raise InputError(f"no image to measure {coder.name} on", hint="give at least one")
    scores: list[list[tuple[float, ...]]] = [[] for _ in coder.settings]
    for done, item in enumerate(images, start=1):
        image = _rgb(read_image(item) if isinstance(item, Path) else item)
        if done == 1:
            coder.decode(coder.encode(image, coder.settings[0]))
        for setting, row in zip(coder.settings, scores, strict=True):
            row.append(_score(image, coder, setting))
        if progress is not None:
            progress(coder.name, done, len(images))
    points = []
    for setting, row in zip(coder.settings, scores, strict=True):
        bpp, quality, similarity, encode_s, decode_s = zip(*row, strict=True)
        seconds = median(encode_s), median(decode_s)
        points.append((fmean(bpp), setting, fmean(quality), fmean(similarity), *seconds))
    rates, settings, psnr_db, similarities, encode, decode = zip(*sorted(points), strict=True)
    return Curve(
        name=coder.name,
        label=coder.label,
        settings=settings,
        bpp=rates,
        psnr_db=psnr_db,
        ms_ssim=() if math.isnan(similarities[0]) else similarities,
        encode_s=encode,
        decode_s=decode,
    )


def _score(image: Pixels, coder: Coder, setting: float) -> tuple[float, ...]:
    """bpp, PSNR in dB, MS-SSIM (NaN for an image below its window), seconds to encode and to decode."""
    start = time.perf_counter()
    data = coder.encode(image, setting)
    middle = time.perf_counter()
    decoded = coder.decode(data)
    end = time.perf_counter()
    _, height, width = image.shape
    if coder.even_sides:
        decoded = decoded[:, :height, :width]
    if decoded.shape != image.shape or decoded.dtype != np.uint8:
        raise VedetteError(
            f"{coder.name} made {decoded.dtype} {decoded.shape} of an image uint8 {image.shape}",
            hint="a codec must return the size it was given",
        )
    # In float32 the variances of MS-SSIM would lose digits that count near 1.
    a, b = (torch.tensor(x, dtype=torch.float64)[None] for x in (decoded, image))
    quality = psnr(a, b, peak=255).item()
    similarity = ms_ssim(a, b, peak=255).item() if min(height, width) >= WINDOW else math.nan
    return 8 * len(data) / (height * width), quality, similarity, middle - start, end - middle


def _rgb(image: np.ndarray) -> Pixels:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3) or 0 in image.shape:
        raise InputError(
            f"an image {image.dtype} {image.shape}", hint="8-bit gray or RGB, (bands, h, w), is needed"
        )
    return np.repeat(image, 3, axis=0) if image.shape[0] == 1 else image
