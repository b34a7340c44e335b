"""On board: a scene goes in, one product file comes out."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vedette.codec.codec import load_codec
from vedette.codec.rate import Rated, encode_at, encode_at_psnr, encode_within
from vedette.errors import InputError
from vedette.images import check_output, open_scene, write_atomically

DEFAULT_QUALITY = 32.0


@dataclass(frozen=True, kw_only=True)
class Packed:
    """What a pass produced."""

    rated: Rated
    pixels: int
    bands: int
    width: int
    height: int
    budget_bytes: int | None

    @property
    def best(self) -> bool:
        """Whether the best quality came before the budget was used."""
        return self.rated.best

    def row(self) -> dict[str, object]:
        """The table of the command line."""
        size = len(self.rated.data)
        row: dict[str, object] = {
            "scene": f"{self.width} x {self.height}, {self.bands} bands",
            "bytes": size,
            "bpp": round(8 * size / self.pixels, 4),
            "quality": round(self.rated.quality, 2),
            "tiles": len(self.rated.tile_bytes),
        }
        if self.budget_bytes is not None:
            row["budget_used"] = f"{100 * size / self.budget_bytes:.1f} % of {self.budget_bytes:,}"
        return row


def onboard(
    scene: Path,
    output: Path,
    *,
    budget_bytes: int | None = None,
    quality: float | None = None,
    target_bpp: float | None = None,
    target_psnr_db: float | None = None,
    rgb: tuple[int, ...] | None = None,
    nir: int | None = None,
    tile: int | None = None,
    model: str = "charm-lite",
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Packed:
    """Compress the image file `scene` into the product `output`, which is written whole or not at all.

    Args:
        budget_bytes, quality, target_bpp, target_psnr_db: at most one; by default quality 32.
        rgb, nir: band numbers, counted from 1.
        tile: pixels a side, a multiple of 8; 0 for one tile; None chooses.
        workers: tiles encoded at once; by default as many as torch would use threads, up to 8. The
            product's bytes do not depend on it.

    Raises:
        InputError, ImageReadError, BudgetError: see their messages and hints.
    """
    for name, value in (("bits per pixel", target_bpp), ("dB", target_psnr_db)):
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"a target of {value:g} {name}", hint="a number above 0 is needed")
    check_output(output, inputs=(scene,))
    codec = load_codec(model)
    with open_scene(scene, rgb=rgb, nir=nir) as source:
        pixels = source.height * source.width
        if target_bpp is not None:
            budget_bytes = max(1, int(target_bpp * pixels / 8))
        how: dict[str, Any] = {"tile": tile, "workers": workers, "progress": progress}
        if budget_bytes is not None:
            rated = encode_within(source, codec, budget_bytes, **how)
        elif target_psnr_db is not None:
            rated = encode_at_psnr(source, codec, target_psnr_db, **how)
        else:
            rated = encode_at(source, codec, DEFAULT_QUALITY if quality is None else quality, **how)
        write_atomically(output, rated.data)
        return Packed(
            rated=rated,
            pixels=pixels,
            bands=source.bands,
            width=source.width,
            height=source.height,
            budget_bytes=budget_bytes,
        )
