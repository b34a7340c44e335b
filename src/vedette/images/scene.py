"""Scenes on disk, read window by window."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, UnidentifiedImageError

from vedette.errors import ImageReadError, InputError, LimitError, MissingExtraError
from vedette.images import gdal
from vedette.images.window import Window

SIDE_MOST = 1_000_000
GEO_KEYS_TAG = 34735
WHOLE_MOST = 400_000_000  # samples of a file that can only be read whole
ALLOWED = {"uint8": np.uint8, "uint16": np.uint16}
PILLOW_MODES = {"L": ("L", np.uint8), "RGB": ("RGB", np.uint8), "I;16": ("I;16", np.uint16)}


@dataclass(frozen=True, kw_only=True)
class Geo:
    """Where a scene lies: CRS as "EPSG:n" or WKT, affine transform (a, b, c, d, e, f), no-data value."""

    crs: str = ""
    transform: tuple[float, ...] = ()
    nodata: float | None = None


class Scene:
    """An open scene; `read` gives any window of it. Use as a context manager."""

    def __init__(self, source: Any, path: Path, roles: tuple[str, ...], order: tuple[int, ...]) -> None:
        self._source = source
        self._order = order
        self.path = path
        self.height: int = source.height
        self.width: int = source.width
        self.dtype: type = source.dtype
        self.geo: Geo | None = source.geo
        self.roles = roles
        self.bands = len(order)
        self.source_bands: int = source.bands  # of the file, read or not

    def read(self, window: Window) -> Shaped[np.ndarray, "bands h w"]:
        """The window's samples, bands in the order of `roles`."""
        array: np.ndarray = self._source.read(window, self._order)
        return array

    def __enter__(self) -> "Scene":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._source.close()


def open_scene(
    path: Path,
    *,
    rgb: tuple[int, ...] | None = None,
    nir: int | None = None,
    bands: tuple[int, ...] | None = None,
) -> Scene:
    """Open a PNG, JPEG, WebP, TIFF or GeoTIFF.

    Args:
        rgb: 1-based numbers of the red, green and blue band; by default 1, 2, 3 where there are three.
        nir: 1-based number of the near-infrared band.
        bands: these bands alone, in this order, instead of `rgb` and `nir`.

    Raises:
        ImageReadError: not an image, empty, or of a kind that is refused; the hint says what to do.
        LimitError: larger than a declared limit.
    """
    if not path.exists():
        raise ImageReadError(f"there is no file {path}", hint="check the path")
    if path.is_dir():
        raise ImageReadError(f"{path} is a folder", hint="name one image in it")
    if not os.access(path, os.R_OK):
        raise ImageReadError(f"{path.name} may not be read by this user", hint="change its rights")
    if path.stat().st_size == 0:
        raise ImageReadError(f"{path.name} is empty", hint="copy the file again")
    named: set[int] | None = {band for band in (*(rgb or ()), nir) if band is not None}
    if bands is not None:
        named = None  # what is read is named: what the file calls the others does not matter
    source = _open_tiff(path, named) if path.suffix.lower() in {".tif", ".tiff"} else _Pillow(path)
    if max(source.height, source.width) > SIDE_MOST:
        raise LimitError(
            f"{path.name} is {source.width} x {source.height} pixels", hint=f"sides up to {SIDE_MOST:,}"
        )
    if bands is not None:
        _check_bands(bands, source.bands)
        order = tuple(band - 1 for band in bands)
        return Scene(source, path, tuple(f"band{band}" for band in bands), order)
    if rgb is None and source.bands >= 3:
        rgb = (1, 2, 3)
    chosen = [*(rgb or ()), *([] if nir is None else [nir])]
    _check_bands(chosen, source.bands)
    names = {band - 1: role for band, role in zip(rgb or (), ("red", "green", "blue"), strict=False)}
    if nir is not None:
        names[nir - 1] = "nir"
    others = (band for band in range(source.bands) if band + 1 not in (rgb or ()))
    order = (*(band - 1 for band in rgb or ()), *others)
    roles = tuple(names.get(band, "gray" if source.bands == 1 else f"band{band + 1}") for band in order)
    return Scene(source, path, roles, order)


def _check_bands(chosen: Sequence[int], count: int) -> None:
    if len(set(chosen)) != len(chosen) or any(not 1 <= band <= count for band in chosen):
        raise InputError(
            f"bands {list(chosen)} of a scene with {count}",
            hint=f"different numbers from 1 to {count} are needed",
        )


class _Pillow:
    """A file that Pillow decodes whole."""

    geo: Geo | None = None

    def __init__(self, path: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image: Image.Image = Image.open(path)
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
            raise _not_an_image(path) from error
        with image:
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":  # a telephone's MPO holds the photo, then its preview
                raise _several(path, frames)
            if GEO_KEYS_TAG in getattr(image, "tag_v2", {}):  # Pillow would lose where the scene lies
                raise MissingExtraError(
                    f"{path.name} is a GeoTIFF, which needs rasterio", hint="pip install 'vedette[geo]'"
                )
            if image.width * image.height * 3 > WHOLE_MOST:
                raise LimitError(
                    f"{path.name} has {image.width} x {image.height} pixels and must be read whole",
                    hint="convert it to a tiled TIFF, which is read in windows",
                )
            if image.mode == "P" and "transparency" not in image.info:
                image = image.convert("RGB")
            if image.mode in ("RGBA", "LA", "PA", "P"):
                raise ImageReadError(
                    f"{path.name} has an alpha channel", hint="flatten it onto a background first"
                )
            if image.mode == "1":
                image = image.convert("L")
            if image.mode not in PILLOW_MODES:
                raise ImageReadError(
                    f"{path.name} has pixels of mode {image.mode}",
                    hint="convert it to 8- or 16-bit gray or 8-bit RGB",
                )
            try:
                array = np.array(image)
            except (OSError, ValueError, SyntaxError) as error:
                raise ImageReadError(
                    f"{path.name} is damaged: {error}", hint="copy the file again"
                ) from error
        self._array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
        self.bands, self.height, self.width = self._array.shape
        self.dtype = PILLOW_MODES[image.mode][1]

    def read(self, window: Window, order: tuple[int, ...]) -> np.ndarray:
        rows, cols = (
            slice(window.row, window.row + window.height),
            slice(window.col, window.col + window.width),
        )
        return self._array[list(order), rows, cols].astype(self.dtype)

    def close(self) -> None:
        """Nothing is held open."""


def _open_tiff(path: Path, named: set[int] | None) -> Any:
    try:
        return _Raster(path, named)
    except MissingExtraError:
        return _Pillow(path)


class _Raster:
    """A TIFF read in windows through rasterio.

    Args:
        named: numbers of bands that the user gave a role: no alpha, whatever the file calls them. None: all.
    """

    def __init__(self, path: Path, named: set[int] | None) -> None:
        module = gdal.rasterio()
        with gdal.session() as said:
            try:
                self._file = gdal.open_file(path)
            except module.errors.RasterioIOError as error:
                raise _not_an_image(path) from error
            try:
                self._look(path, named)
            except BaseException:
                self._file.close()
                raise
        if any("IO error" in line or "Cannot read" in line for line in said):
            self._file.close()
            raise ImageReadError(
                f"{path.name} is damaged: some of its tags cannot be read", hint="copy the file again"
            )

    def _look(self, path: Path, named: set[int] | None) -> None:
        """Take over what the file says of itself, or refuse it."""
        if len(self._file.subdatasets) > 1:
            raise _several(path, len(self._file.subdatasets))
        kinds = set(self._file.dtypes)
        if len(kinds) != 1 or not kinds <= set(ALLOWED):
            raise ImageReadError(
                f"{path.name} has samples of type {', '.join(sorted(kinds))}",
                hint="scale it to uint8 or uint16 first",
            )
        bits = self._file.tags(1, ns="IMAGE_STRUCTURE").get("NBITS", "8")
        if int(bits) < 8:
            raise ImageReadError(f"{path.name} has {bits}-bit samples", hint="scale it to uint8 first")
        said = enumerate(self._file.colorinterp, start=1)
        colors = {color.name for band, color in said if named is not None and band not in named}
        for kind in colors & {"palette", "cyan", "magenta", "yellow"}:
            raise ImageReadError(f"{path.name} has {kind} samples", hint="convert it to RGB or gray first")
        if "alpha" in colors:
            raise ImageReadError(
                f"{path.name} has an alpha channel",
                hint="flatten it, or declare no-data instead; `--nir 4` says that band 4 is none",
            )
        self.dtype = ALLOWED[kinds.pop()]
        self.bands, self.height, self.width = self._file.count, self._file.height, self._file.width
        crs, transform, nodata = self._file.crs, self._file.transform, self._file.nodata
        placed = crs is not None or not transform.is_identity or nodata is not None
        code = crs.to_epsg(confidence_threshold=100) if crs else None
        name = f"EPSG:{code}" if code else crs.to_wkt() if crs else ""
        self.geo = Geo(crs=name, transform=tuple(transform)[:6], nodata=nodata) if placed else None

    def read(self, window: Window, order: tuple[int, ...]) -> np.ndarray:
        module = gdal.rasterio()
        place = module.windows.Window(window.col, window.row, window.width, window.height)
        with gdal.session():
            try:
                array: np.ndarray = self._file.read([band + 1 for band in order], window=place)
            except module.errors.RasterioIOError as error:
                raise ImageReadError(
                    f"the scene is damaged near row {window.row}", hint="copy the file again"
                ) from error
        return array

    def close(self) -> None:
        self._file.close()


def _not_an_image(path: Path) -> ImageReadError:
    return ImageReadError(
        f"{path.name} is not an image that can be read", hint="PNG, JPEG, WebP, TIFF or GeoTIFF is needed"
    )


def _several(path: Path, count: int) -> ImageReadError:
    return ImageReadError(f"{path.name} holds {count} images", hint="save the one that is meant as a file")


def read_image(path: Path) -> UInt8[np.ndarray, "c h w"]:
    """A whole 8-bit image of 1 or 3 bands.

    Raises:
        ImageReadError: another kind of file.
    """
    with open_scene(path) as scene:
        if scene.dtype is not np.uint8 or scene.bands not in (1, 3):
            raise ImageReadError(f"{path.name} is not 8-bit gray or RGB", hint="give such an image")
        return scene.read(Window(0, 0, scene.height, scene.width))
