"""Scenes on disk: windows, georeference, refusals, and files that are whole or absent."""

import numpy as np
import pytest
import rasterio
from PIL import Image

from vedette.errors import ImageReadError, InputError, MissingExtraError
from vedette.images import Geo, SceneWriter, Window, open_scene, pad_to_multiple, read_image, windows
from vedette.samples import scene_path


def geotiff(path, array, **profile):
    bands, height, width = array.shape
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=bands, dtype=array.dtype, **profile
    ) as file:
        file.write(array)


PLACE = {"crs": "EPSG:32633", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)}


def test_windows_of_a_geotiff_are_the_array(tmp_path):
    array = np.arange(5 * 40 * 30, dtype=np.uint16).reshape(5, 40, 30)
    geotiff(tmp_path / "scene.tif", array, **PLACE, nodata=0)
    with open_scene(tmp_path / "scene.tif", rgb=(3, 2, 1), nir=4) as scene:
        assert scene.roles == ("red", "green", "blue", "nir", "band5")
        part = scene.read(Window(5, 7, 11, 13))
        assert np.array_equal(part, array[[2, 1, 0, 3, 4], 5:16, 7:20])
        assert scene.geo == Geo(crs="EPSG:32633", transform=(10, 0, 5e5, 0, -10, 5e6), nodata=0)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_lossless_files_read_back(tmp_path, suffix):
    array = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    Image.fromarray(array).save(
        tmp_path / f"image.{suffix}", **({"lossless": True} if suffix == "webp" else {})
    )
    assert np.array_equal(read_image(tmp_path / f"image.{suffix}"), array.transpose(2, 0, 1))


def test_16_bit_png_keeps_its_values(tmp_path):
    array = np.arange(600, dtype=np.uint16).reshape(20, 30) * 100
    Image.fromarray(array).save(tmp_path / "deep.png")
    with open_scene(tmp_path / "deep.png") as scene:
        assert scene.dtype is np.uint16
        assert np.array_equal(scene.read(Window(0, 0, 20, 30))[0], array)


def test_floats_are_refused_with_what_to_do(tmp_path):
    geotiff(tmp_path / "float.tif", np.zeros((1, 8, 8), dtype=np.float32), **PLACE)
    with pytest.raises(ImageReadError) as caught:
        open_scene(tmp_path / "float.tif")
    assert "uint8 or uint16" in caught.value.hint


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    for name in ("out.tif", "out.png"):
        writer = SceneWriter(tmp_path / name, height=8, width=8, bands=1, dtype=np.uint8)
        with pytest.raises(RuntimeError), writer:
            writer.write(Window(0, 0, 8, 8), np.zeros((1, 8, 8), dtype=np.uint8))
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError):
        SceneWriter(tmp_path / "out.bmp", height=8, width=8, bands=1, dtype=np.uint8)


def test_windows_cover_every_pixel_once():
    seen = np.zeros((100, 130), dtype=int)
    for window in windows(100, 130, 64):
        seen[window.row : window.row + window.height, window.col : window.col + window.width] += 1
    assert (seen == 1).all()


def test_padding_repeats_the_border():
    padded = pad_to_multiple(np.arange(6).reshape(1, 2, 3), 4)
    assert padded.shape == (1, 4, 4)
    assert padded[0, -1].tolist() == [3, 4, 5, 5]


def test_a_palette_tiff_is_refused(tmp_path):
    Image.new("P", (8, 8)).save(tmp_path / "palette.tif")
    with pytest.raises(ImageReadError, match="palette"):
        open_scene(tmp_path / "palette.tif")


def test_a_geotiff_without_rasterio_is_refused(monkeypatch):
    def absent():
        raise MissingExtraError("GeoTIFF needs rasterio", hint="pip install 'vedette[geo]'")

    monkeypatch.setattr("vedette.images.gdal.rasterio", absent)
    with pytest.raises(MissingExtraError) as caught:
        open_scene(scene_path())
    assert "vedette[geo]" in caught.value.hint
