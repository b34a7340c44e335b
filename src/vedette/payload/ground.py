"""On the ground: a product is opened, described, and compared with its original."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vedette.bitstream import product
from vedette.bitstream.product import Product
from vedette.codec.codec import load_codec
from vedette.codec.scene import Opened, geo_of, open_to_file
from vedette.errors import CorruptProductError, InputError
from vedette.images import SceneWriter, Window, open_scene
from vedette.metrics import decibels, ms_ssim, psnr

FILE_MOST = 1 << 32  # bytes of a product that is read into memory
PIXELS_MOST = 50_000_000  # of a comparison, which stands in memory


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The image that was written and what could not be shown of it."""

    image: Path
    opened: Opened
    tiles: int
    truncated: bool

    def row(self) -> dict[str, object]:
        """The table of the command line."""
        row: dict[str, object] = {"tiles": self.tiles, "missing_tiles": _numbers(self.opened.missing)}
        if self.opened.coarse:
            row["coarse_only"] = _numbers(self.opened.coarse)
        if self.opened.damaged:
            row["damaged"] = "; ".join(self.opened.damaged[:5])
        if self.truncated:
            row["note"] = "the file is incomplete"
        return row


def read_product(path: Path) -> Product:
    """The product in the file `path`."""
    if not path.exists():
        raise InputError(f"there is no file {path}", hint="check the path")
    if path.stat().st_size > FILE_MOST:
        raise InputError(
            f"{path.name} is larger than {FILE_MOST:,} bytes", hint="this is not a product of this format"
        )
    if path.stat().st_size == 0:
        raise CorruptProductError(f"{path.name} is empty", hint="copy the file again")
    return product.read(path.read_bytes())


def ground(
    path: Path,
    output: Path,
    *,
    model: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Shown:
    """Write the image of the product `path`.

    Args:
        output: a .tif or .png file, or a folder, which gets NAME.tif.

    Raises:
        CorruptProductError, FormatVersionError, WeightsMismatchError: see their messages and hints.
    """
    file = read_product(path)
    codec = load_codec(model or file.header.model)
    if output.suffix.lower() not in {".tif", ".tiff", ".png"}:
        output.mkdir(parents=True, exist_ok=True)
        output = output / f"{path.stem}.tif"
    header = file.header
    writer = SceneWriter(
        output,
        height=header.height,
        width=header.width,
        bands=header.bands,
        dtype=np.uint8 if header.sample == "uint8" else np.uint16,
        geo=geo_of(file),
    )
    with writer:
        opened = open_to_file(file, codec, writer, progress=progress)
        if len(opened.missing) == header.tiles:
            raise CorruptProductError(
                "no tile of the product could be decoded", hint="ask for the file again"
            )
    return Shown(image=output, opened=opened, tiles=header.tiles, truncated=file.truncated)


def describe(path: Path) -> tuple[dict[str, object], list[tuple[str, int, int, bool]]]:
    """The head of a product in words, and its sections (kind, offset, bytes, intact)."""
    file = read_product(path)
    header = file.header
    rows: dict[str, object] = {
        "scene": f"{header.width} x {header.height}, {header.bands} bands of {header.sample}",
        "model": header.model,
        "weights": header.weights_id.hex(),
        "tile": header.tile or "whole",
        "tiles": header.tiles,
        "band_groups": " ".join("+".join(str(band + 1) for band in group) for group in header.groups),
        "layers": header.layers,
        "bytes": path.stat().st_size,
        "chunks": len(file.chunks),
        "missing_tiles": _numbers(tuple(file.missing())),
        "truncated": file.truncated,
        "georeferenced": "crs" in file.meta,
    }
    return rows, file.sections


def compare(decoded: Path, original: Path) -> dict[str, object]:
    """PSNR and MS-SSIM of two images of one size, both read whole."""
    arrays = []
    for path in (decoded, original):
        with open_scene(path) as scene:
            if scene.height * scene.width > PIXELS_MOST:
                raise InputError(
                    f"{path.name} is too large to compare whole", hint=f"up to {PIXELS_MOST:,} pixels"
                )
            arrays.append(scene.read(Window(0, 0, scene.height, scene.width)))
            peak = float(np.iinfo(scene.dtype).max)
    if arrays[0].shape != arrays[1].shape:
        raise InputError(
            f"images of shapes {arrays[0].shape} and {arrays[1].shape}", hint="give the product's original"
        )
    a, b = (torch.from_numpy(array.astype(np.float32))[None] for array in arrays)
    scores: dict[str, object] = {"PSNR_dB": round(psnr(a, b, peak=peak).item(), 2)}
    if min(a.shape[2:]) >= 11:
        similarity = ms_ssim(a, b, peak=peak)
        scores["MS-SSIM"] = round(similarity.item(), 5)
        scores["MS-SSIM_dB"] = round(decibels(similarity).item(), 2)
    return scores


def _numbers(tiles: tuple[int, ...]) -> str:
    if not tiles:
        return "none"
    shown = ", ".join(map(str, tiles[:20]))
    return shown if len(tiles) <= 20 else f"{shown} and {len(tiles) - 20} more"
