"""Scenes on disk: read window by window, written window by window, whole or not at all."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8
from PIL import Image, UnidentifiedImageError

from vedette.errors import ImageReadError, InputError, LimitError, MissingExtraError, VedetteError
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


def open_scene(path: Path, *, rgb: tuple[int, ...] | None = None, nir: int | None = None) -> Scene:
    """Open a PNG, JPEG, WebP, TIFF or GeoTIFF.

    Args:
        rgb: 1-based numbers of the red, green and blue band; by default 1, 2, 3 where there are three.
        nir: 1-based number of the near-infrared band.

    Raises:
        ImageReadError: not an image, empty, or of a kind that is refused; the hint says what to do.
        LimitError: larger than a declared limit.
    """
    if not path.exists():
        raise ImageReadError(f"there is no file {path}", hint="check the path")
    if path.stat().st_size == 0:
        raise ImageReadError(f"{path.name} is empty", hint="copy the file again")
    source = _open_tiff(path) if path.suffix.lower() in {".tif", ".tiff"} else _Pillow(path)
    if max(source.height, source.width) > SIDE_MOST:
        raise LimitError(
            f"{path.name} is {source.width} x {source.height} pixels", hint=f"sides up to {SIDE_MOST:,}"
        )
    if rgb is None and source.bands >= 3:
        rgb = (1, 2, 3)
    chosen = [*(rgb or ()), *([] if nir is None else [nir])]
    if len(set(chosen)) != len(chosen) or any(not 1 <= band <= source.bands for band in chosen):
        raise InputError(
            f"bands {chosen} of a scene with {source.bands}",
            hint=f"different numbers from 1 to {source.bands} are needed",
        )
    names = {band - 1: role for band, role in zip(rgb or (), ("red", "green", "blue"), strict=False)}
    if nir is not None:
        names[nir - 1] = "nir"
    order = [band - 1 for band in rgb or ()] + [b for b in range(source.bands) if b + 1 not in (rgb or ())]
    roles = tuple(names.get(band, "gray" if source.bands == 1 else f"band{band + 1}") for band in order)
    return Scene(source, path, roles, tuple(order))


class _Pillow:
    """A file that Pillow decodes whole."""

    geo: Geo | None = None

    def __init__(self, path: Path) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                image: Image.Image = Image.open(path)
        except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
            raise ImageReadError(
                f"{path.name} is not an image that can be read",
                hint="PNG, JPEG, WebP, TIFF or GeoTIFF is needed",
            ) from error
        with image:
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


def _rasterio() -> Any:
    try:
        import rasterio
    except ImportError as error:
        raise MissingExtraError("GeoTIFF needs rasterio", hint="pip install 'vedette[geo]'") from error
    return rasterio


def _open_tiff(path: Path) -> Any:
    try:
        return _Raster(path)
    except MissingExtraError:
        return _Pillow(path)


class _Raster:
    """A TIFF read in windows through rasterio."""

    def __init__(self, path: Path) -> None:
        rasterio = _rasterio()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            try:
                self._file = rasterio.open(path)
            except rasterio.errors.RasterioIOError as error:
                raise ImageReadError(
                    f"{path.name} is not an image that can be read",
                    hint="PNG, JPEG, WebP, TIFF or GeoTIFF is needed",
                ) from error
        kinds = set(self._file.dtypes)
        if len(kinds) != 1 or not kinds <= set(ALLOWED):
            raise ImageReadError(
                f"{path.name} has samples of type {', '.join(sorted(kinds))}",
                hint="scale it to uint8 or uint16 first",
            )
        colors = {color.name for color in self._file.colorinterp}
        for kind in colors & {"palette", "cyan", "magenta", "yellow"}:
            raise ImageReadError(f"{path.name} has {kind} samples", hint="convert it to RGB or gray first")
        if "alpha" in colors:
            raise ImageReadError(
                f"{path.name} has an alpha channel", hint="flatten it, or declare no-data instead"
            )
        self.dtype = ALLOWED[kinds.pop()]
        self.bands, self.height, self.width = self._file.count, self._file.height, self._file.width
        crs, transform, nodata = self._file.crs, self._file.transform, self._file.nodata
        placed = crs is not None or not transform.is_identity or nodata is not None
        code = crs.to_epsg(confidence_threshold=100) if crs else None
        name = f"EPSG:{code}" if code else crs.to_wkt() if crs else ""
        self.geo = Geo(crs=name, transform=tuple(transform)[:6], nodata=nodata) if placed else None

    def read(self, window: Window, order: tuple[int, ...]) -> np.ndarray:
        rasterio = _rasterio()
        place = rasterio.windows.Window(window.col, window.row, window.width, window.height)
        try:
            array: np.ndarray = self._file.read([band + 1 for band in order], window=place)
        except rasterio.errors.RasterioIOError as error:
            raise ImageReadError(
                f"the scene is damaged near row {window.row}", hint="copy the file again"
            ) from error
        return array

    def close(self) -> None:
        self._file.close()


class SceneWriter:
    """Writes a TIFF (in windows) or a PNG; the file appears under its name only once it is whole."""

    def __init__(
        self, path: Path, *, height: int, width: int, bands: int, dtype: type, geo: Geo | None = None
    ) -> None:
        self.path = path
        self._temporary = path.with_name(f".{path.stem}.part{path.suffix}")
        self._raster: Any = None
        if path.suffix.lower() in {".tif", ".tiff"}:
            self._raster = _create_tiff(self._temporary, height, width, bands, dtype, geo)
        elif path.suffix.lower() == ".png":
            if bands not in (1, 3) or (bands == 3 and dtype is not np.uint8):
                raise InputError(
                    f"a PNG of {bands} bands of {np.dtype(dtype).name}", hint="write a .tif instead"
                )
            self._array: np.ndarray = np.zeros((bands, height, width), dtype=dtype)
        else:
            raise InputError(
                f"cannot write {path.suffix or 'a file without suffix'}", hint="use .tif or .png"
            )

    def write(self, window: Window, array: Shaped[np.ndarray, "bands h w"]) -> None:
        """Put `array` where `window` says."""
        if self._raster is not None:
            place = _rasterio().windows.Window(window.col, window.row, window.width, window.height)
            self._raster.write(array, window=place)
        else:
            rows = slice(window.row, window.row + window.height)
            self._array[:, rows, window.col : window.col + window.width] = array

    def __enter__(self) -> "SceneWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._raster is not None:
                self._raster.close()
            elif kind is None:
                array = self._array[0] if len(self._array) == 1 else self._array.transpose(1, 2, 0)
                Image.fromarray(array).save(self._temporary)
            if kind is None:
                os.replace(self._temporary, self.path)
        finally:
            self._temporary.unlink(missing_ok=True)


def _create_tiff(path: Path, height: int, width: int, bands: int, dtype: type, geo: Geo | None) -> Any:
    rasterio = _rasterio()
    profile: dict[str, Any] = {"driver": "GTiff", "height": height, "width": width, "count": bands}
    profile |= {"dtype": np.dtype(dtype).name, "compress": "deflate", "tiled": True, "BIGTIFF": "IF_SAFER"}
    if bands != 3:
        profile["photometric"] = "minisblack"
    if geo is not None:
        if geo.crs:
            profile["crs"] = rasterio.crs.CRS.from_user_input(geo.crs)
        if geo.transform:
            profile["transform"] = rasterio.Affine(*geo.transform)
        profile["nodata"] = geo.nodata
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        return rasterio.open(path, "w", **profile)


def read_image(path: Path) -> UInt8[np.ndarray, "c h w"]:
    """A whole 8-bit image of 1 or 3 bands.

    Raises:
        ImageReadError: another kind of file.
    """
    with open_scene(path) as scene:
        if scene.dtype is not np.uint8 or scene.bands not in (1, 3):
            raise ImageReadError(f"{path.name} is not 8-bit gray or RGB", hint="give such an image")
        return scene.read(Window(0, 0, scene.height, scene.width))


def write_atomically(path: Path, data: bytes) -> None:
    """`data` under `path`, whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        raise VedetteError(
            f"cannot write {path}: {error.strerror}", hint="check the folder and the free space"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
