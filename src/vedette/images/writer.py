"""Images written window by window; the file appears under its name only once it is whole."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from vedette.errors import InputError, LimitError
from vedette.images import gdal
from vedette.images.files import check_output, refused
from vedette.images.scene import Geo
from vedette.images.window import Window

SUFFIXES = (".tif", ".tiff", ".png")
PNG_SAMPLES_MOST = 1 << 28  # a PNG is built whole in memory


class SceneWriter:
    """Writes a TIFF (in windows) or a PNG (whole, up to 2^28 samples). Use as a context manager.

    Raises:
        InputError: another kind of file, a PNG of other than 1 or 3 bands, or a place that is closed to us.
        LimitError: a PNG of more samples.
    """

    def __init__(
        self, path: Path, *, height: int, width: int, bands: int, dtype: type, geo: Geo | None = None
    ) -> None:
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"cannot write {suffix or 'a file without suffix'}", hint="use .tif or .png")
        check_output(path)
        self.path = path
        self._temporary = path.with_name(f".{path.stem}.part{path.suffix}")
        self._raster: Any = None
        if suffix == ".png":
            _check_png(height, width, bands, dtype)
            self._array: np.ndarray = np.zeros((bands, height, width), dtype=dtype)
        else:
            try:
                self._temporary.unlink(missing_ok=True)  # GDAL stumbles over what a killed run left
                self._raster = _create_tiff(self._temporary, height, width, bands, dtype, geo)
            except OSError as error:
                raise refused(path, error) from error

    def write(self, window: Window, array: Shaped[np.ndarray, "bands h w"]) -> None:
        """Put `array` where `window` says."""
        if self._raster is None:
            rows = slice(window.row, window.row + window.height)
            self._array[:, rows, window.col : window.col + window.width] = array
            return
        place = gdal.rasterio().windows.Window(window.col, window.row, window.width, window.height)
        with gdal.session():
            try:
                self._raster.write(array, window=place)
            except OSError as error:
                raise refused(self.path, OSError(str(error.__cause__ or error))) from error

    def __enter__(self) -> "SceneWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            try:
                self._finish(whole=kind is None)
            finally:
                self._temporary.unlink(missing_ok=True)
        except OSError as problem:
            raise refused(self.path, problem) from problem

    def _finish(self, *, whole: bool) -> None:
        if self._raster is not None:
            with gdal.session():
                self._raster.close()
                if whole:  # closing writes the directory and does not say when it fails: try
                    gdal.open_file(self._temporary).close()
        elif whole:
            array = self._array[0] if len(self._array) == 1 else self._array.transpose(1, 2, 0)
            Image.fromarray(array).save(self._temporary)
        if whole:
            os.replace(self._temporary, self.path)


def _check_png(height: int, width: int, bands: int, dtype: type) -> None:
    if bands not in (1, 3) or (bands == 3 and dtype is not np.uint8):
        raise InputError(f"a PNG of {bands} bands of {np.dtype(dtype).name}", hint="write a .tif instead")
    if height * width * bands > PNG_SAMPLES_MOST:
        raise LimitError(
            f"a PNG of {width} x {height} pixels would be built whole in memory",
            hint="write a .tif instead, which is written window by window",
        )


def _create_tiff(path: Path, height: int, width: int, bands: int, dtype: type, geo: Geo | None) -> Any:
    module = gdal.rasterio()
    profile: dict[str, Any] = {"driver": "GTiff", "height": height, "width": width, "count": bands}
    profile |= {"dtype": np.dtype(dtype).name, "compress": "deflate", "tiled": True, "BIGTIFF": "IF_SAFER"}
    if bands != 3:
        profile["photometric"] = "minisblack"
    if geo is not None:
        if geo.crs:
            try:
                profile["crs"] = module.crs.CRS.from_user_input(geo.crs)
            except module.errors.CRSError as error:
                raise InputError(
                    f"a place given as {geo.crs[:60]!r}", hint="write a .png, which has no place"
                ) from error
        if geo.transform:
            profile["transform"] = module.Affine(*geo.transform)
        profile["nodata"] = geo.nodata
    with gdal.session():
        return gdal.open_file(path, "w", **profile)
