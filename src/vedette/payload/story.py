"""The report of a product: what went in, what comes out, and where the bits went."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vedette.codec.scene import SceneDecoder
from vedette.errors import InputError
from vedette.images import Window, check_output, open_scene
from vedette.payload.ground import read_product, weights_of
from vedette.report.page import write_report
from vedette.report.product_page import product_picture, product_report

PIXELS_MOST = 25_000_000  # of a report, whose pictures stand in memory


def tell(
    scene: Path,
    product: Path,
    output: Path,
    *,
    table: Mapping[str, object],
    command: str,
    rgb: tuple[int, ...] | None = None,
    nir: int | None = None,
    model: str | None = None,
) -> None:
    """Write the report of `product`, made of `scene`, as one HTML file, or as one picture (.png).

    Args:
        table: names and values in the order shown.
        command: what made the product, as typed.
        rgb, nir: as they were given when the product was made.
        model: weights, where not the shipped ones.

    Raises:
        InputError: the scene has more than 25 million pixels, or is not the product's.
    """
    check_output(output, inputs=(scene, product))
    file = read_product(product)
    header = file.header
    if header.width * header.height > PIXELS_MOST:
        raise InputError(
            f"a report of {header.width} x {header.height} pixels", hint=f"up to {PIXELS_MOST:,} pixels"
        )
    with open_scene(scene, rgb=rgb, nir=nir) as source:
        if (source.height, source.width, source.bands) != (header.height, header.width, header.bands):
            raise InputError(
                "the scene is not the product's", hint="give the scene that the product was made of"
            )
        original = source.read(Window(0, 0, source.height, source.width))
    decoder = SceneDecoder(file, weights_of(header, model))
    decoded = np.zeros_like(original)
    for window, samples in decoder.tiles():
        decoded[:, window.row : window.row + window.height, window.col : window.col + window.width] = samples
    bits = np.zeros(header.tiles)
    for (tile, _, _), payload in file.chunks.items():
        bits[tile] += 8 * len(payload)
    shown = 3 if header.groups and len(header.groups[0]) == 3 else 1
    pictures: dict[str, Any] = {
        "original": _eight_bits(original[:shown], header.ranges),
        "decoded": _eight_bits(decoded[:shown], header.ranges),
        "tile_bits": bits.reshape(header.grid),
        "tile": header.tile,
        "missing_tiles": list(decoder.report().missing),
    }
    if output.suffix.lower() == ".png":
        product_picture(**pictures).save(output)
        return
    rows = {name.replace("_", " "): value for name, value in table.items()}
    write_report(output, product_report(**pictures, table=rows, command=command, title=scene.name))


def _eight_bits(image: np.ndarray, ranges: tuple[tuple[float, float], ...]) -> np.ndarray:
    """16-bit values stretched to the range they use, for the eye only."""
    if image.dtype == np.uint8:
        return image
    low, high = np.array(ranges[: len(image)]).T[:, :, None, None]
    return np.clip(np.rint((image - low) / (high - low) * 255), 0, 255).astype(np.uint8)
