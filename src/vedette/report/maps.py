"""Maps of a product: where the decoded image is wrong and where the bits went, in colors that are ordered.

The ramps are straight lines in OKLCh lightness (Ottosson, 2020), so that a larger value is always a
lighter color, also for color-blind readers and in a gray print.
"""

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from vedette.errors import InputError

MISSING = (128, 128, 128)  # a tile that did not arrive
ERROR_LIMITS = (4, 8, 16, 32, 64, 128, 255)  # gray levels at which the ramp can end
LIGHTNESS = (0.16, 0.95)
CHROMA = {"error": 0.16, "bits": 0.085}  # at most; beyond, teal would leave sRGB and the ramp kink
HUES_DEG = {"error": (290.0, 460.0), "bits": (280.0, 110.0)}  # violet-red-yellow; blue-green-yellow

_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@cache
def ramp(name: str) -> UInt8[np.ndarray, "256 3"]:
    """The 256 sRGB colors of the map `name` ("error" or "bits"), dark to light.

    >>> ramp("bits")[0].tolist(), ramp("bits")[255].tolist()
    ([10, 10, 31], [240, 242, 209])
    """
    t = np.linspace(0, 1, 256)
    start, end = HUES_DEG[name]
    hue = np.radians(start + (end - start) * t)
    chroma = CHROMA[name] * np.sqrt(np.sin(np.pi * (0.08 + 0.84 * t)))
    lab = np.stack(
        [LIGHTNESS[0] + np.diff(LIGHTNESS) * t, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1
    )
    linear = np.clip((lab @ _LMS.T) ** 3 @ _RGB.T, 0, 1)
    coded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    colors: np.ndarray = np.round(255 * coded).astype(np.uint8)
    colors.flags.writeable = False  # it is shared
    return colors


def shrink(picture: Image.Image, side_most: int) -> Image.Image:
    """The picture, its longer side at most `side_most` pixels, area-averaged; never enlarged."""
    largest = max(picture.size)
    if largest <= side_most:
        return picture
    width, height = (max(1, round(side * side_most / largest)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BOX)


def photograph(image: UInt8[np.ndarray, "c h w"]) -> Image.Image:
    """An image of 1 or 3 bands as a picture.

    Raises:
        InputError: it has another number of bands, or no pixels.
    """
    if image.shape[0] not in (1, 3) or image.size == 0:
        raise InputError(
            f"an image of shape {image.shape} cannot be shown", hint="give 1 or 3 bands of at least a pixel"
        )
    return Image.fromarray(
        np.ascontiguousarray(np.broadcast_to(image, (3, *image.shape[1:])).transpose(1, 2, 0))
    )


def error_map(
    original: UInt8[np.ndarray, "c h w"], decoded: UInt8[np.ndarray, "c h w"], side_most: int
) -> tuple[Image.Image, int]:
    """The absolute error, mean over bands, and the gray levels at which its color ramp ends.

    The ramp ends at the least of 4, 8, ... 255 that covers 99.5 % of the pixels shown; larger errors have
    the lightest color. Shrinking averages errors.

    >>> flat = np.zeros((3, 8, 8), np.uint8)
    >>> error_map(flat, flat + np.uint8(10), 8)[1]
    16
    """
    error = (np.maximum(original, decoded) - np.minimum(original, decoded)).mean(axis=0, dtype=np.float32)
    levels = np.asarray(shrink(Image.fromarray(error), side_most))
    covered = float(np.percentile(levels, 99.5))
    limit = next(limit for limit in ERROR_LIMITS if covered <= limit)
    return _colored(levels / limit, "error"), limit


def bits_map(
    tile_bits: Float[np.ndarray, "rows cols"],
    *,
    tile: int,
    height: int,
    width: int,
    missing: Sequence[int],
    side_most: int,
) -> tuple[Image.Image, float]:
    """Each tile in the color of its bits per pixel, and the bits per pixel at which the ramp ends.

    Tiles of the right and lower border may be smaller: bits are divided by the pixels a tile has. Missing
    tiles (numbers row by row, from 0) are gray with a cross.

    >>> bits_map(np.array([[64.0, 16.0]]), tile=8, height=8, width=16, missing=(), side_most=16)[1]
    1.0
    """
    rows, cols = tile_bits.shape
    scale = min(1.0, side_most / max(height, width))
    tops = [min(row * tile, height) for row in range(rows + 1)]
    lefts = [min(col * tile, width) for col in range(cols + 1)]
    rate_bpp = tile_bits / np.outer(np.diff(tops), np.diff(lefts))
    arrived = np.ones(rows * cols, dtype=bool)
    arrived[list(missing)] = False
    peak = float(rate_bpp.reshape(-1)[arrived].max(initial=0.0))
    limit = rounded_up(peak)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    column = np.minimum(((np.arange(size[0]) + 0.5) * width / size[0] // tile).astype(int), cols - 1)
    row_of = np.minimum(((np.arange(size[1]) + 0.5) * height / size[1] // tile).astype(int), rows - 1)
    picture = _colored((rate_bpp / limit)[row_of][:, column], "bits").convert("RGB")
    draw = ImageDraw.Draw(picture)
    for number in missing:
        top, bottom = (round(edge * scale) for edge in tops[number // cols :][:2])
        left, right = (round(edge * scale) for edge in lefts[number % cols :][:2])
        box = (left, top, max(left, right - 1), max(top, bottom - 1))
        draw.rectangle(box, fill=MISSING, outline=(255, 255, 255))
        draw.line(box, fill=(255, 255, 255))
        draw.line((box[0], box[3], box[2], box[1]), fill=(255, 255, 255))
    return picture, limit


def rounded_up(value: float) -> float:
    """The least of 1, 1.5, 2, 3, 5, 7 times a power of ten that is not below `value`; 1 for 0.

    >>> rounded_up(0.42), rounded_up(7.0), rounded_up(0.0)
    (0.5, 7.0, 1.0)
    """
    if value <= 0:
        return 1.0
    power = math.floor(math.log10(value))
    steps = (round(step * 10.0**power, 12 - min(power, 0)) for step in (1, 1.5, 2, 3, 5, 7, 10))
    return next((step for step in steps if step >= value), value)


def legend(name: str, width: int, height: int) -> Image.Image:
    """The ramp `name` from left to right, `width` by `height` pixels."""
    return _colored(np.broadcast_to(np.linspace(0, 1, width), (height, width)), name)


def _colored(values: Float[np.ndarray, "h w"], name: str) -> Image.Image:
    """Values 0..1, larger ones cut, as a palette picture, which makes a small PNG."""
    picture = Image.fromarray(np.round(255 * np.clip(values, 0, 1)).astype(np.uint8))
    picture.putpalette(ramp(name).tobytes(), "RGB")
    return picture
