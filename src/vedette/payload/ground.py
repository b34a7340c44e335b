"""On the ground: a product is opened, described, and compared with its original."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vedette.bitstream import product
from vedette.bitstream.product import Header, Product
from vedette.codec.codec import Codec, load_codec
from vedette.codec.scene import Opened, geo_of, open_to_file
from vedette.errors import CorruptProductError, InputError, UnknownNameError, WeightsMismatchError
from vedette.images import SceneWriter, Window, check_output, open_scene
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
    if path.is_dir():
        raise InputError(f"{path} is a folder", hint="name one product in it")
    if path.stat().st_size > FILE_MOST:
        raise InputError(
            f"{path.name} is larger than {FILE_MOST:,} bytes", hint="this is not a product of this format"
        )
    if path.stat().st_size == 0:
        raise CorruptProductError(f"{path.name} is empty", hint="copy the file again")
    return product.read(path.read_bytes())


def weights_of(header: Header, model: str | None) -> Codec:
    """The weights `model`, or those that the product names.

    Raises:
        WeightsMismatchError: the product names weights that do not ship.
    """
    try:
        return load_codec(model or header.model)
    except UnknownNameError as error:
        if model is not None:
            raise
        raise WeightsMismatchError(
            f"the product was made with weights {header.model!r}, which do not ship with this version",
            hint="pass their file with --model",
        ) from error


def ground(
    path: Path,
    output: Path,
    *,
    model: str | None = None,
    original: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Shown:
    """Write the image of the product `path`.

    Args:
        output: a .tif or .png file, or a folder (made where it is missing), which gets NAME.tif.
        original: an image that is to be compared; refused here where it is of another size.

    Raises:
        CorruptProductError, FormatVersionError, WeightsMismatchError: see their messages and hints.
    """
    file = read_product(path)
    if original is not None:
        _check_original(file.header, original)
    codec = weights_of(file.header, model)
    if output.is_dir() or not output.suffix:
        output = _in_folder(output, f"{path.stem}.tif")
    check_output(output, inputs=(path,))
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


def _in_folder(folder: Path, name: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder {folder}: {error.strerror}", hint="name another folder, or a file"
        ) from error
    return folder / name


def _check_original(header: Header, original: Path) -> None:
    with open_scene(original) as scene:
        found = scene.bands, scene.height, scene.width
    wanted = header.bands, header.height, header.width
    if found != wanted:
        raise InputError(
            f"{original.name} has {found[2]} x {found[1]} pixels and {found[0]} bands, the product "
            f"{wanted[2]} x {wanted[1]} and {wanted[0]}",
            hint="give the image that the product was made of",
        )


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
