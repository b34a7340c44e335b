"""Damaged and huge files: one plain error and no noise, and memory that stays within stated limits."""

import subprocess
import sys

import numpy as np
import pytest
import rasterio

from vedette.errors import ImageReadError, InputError, LimitError
from vedette.images import Geo, SceneWriter, Window, open_scene
from vedette.samples import scene_path

READ_GROWTH_MOST_MB = 110  # GDAL's cache of 64 MiB, one window, and what a library may want
SIDE = 8000
PLACE = rasterio.Affine(10, 0, 5e5, 0, -10, 5e6)


def stderr_of(*words) -> list[str]:
    done = subprocess.run([sys.executable, "-m", "vedette", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_scene_cut_in_its_pixels_gives_one_error_and_no_noise(tmp_path, workers):
    path = tmp_path / "cut.tif"
    pixels = np.random.default_rng(0).integers(0, 256, (3, 256, 256)).astype(np.uint8)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=256,
        width=256,
        count=3,
        dtype="uint8",
        crs="EPSG:32633",
        transform=PLACE,
        blockysize=16,
    ) as file:
        file.write(pixels)
    path.write_bytes(path.read_bytes()[:120_000])
    lines = stderr_of("run", path, "-o", tmp_path / "x.vdt", "--tile", 64, "--workers", workers)
    assert lines[1:] == ["hint: copy the file again"]
    assert lines[0].startswith("error: the scene is damaged near row ")
    assert [p.name for p in tmp_path.iterdir()] == ["cut.tif"]


def test_a_scene_that_lost_its_place_is_damaged_rather_than_without_one(tmp_path):
    """GDAL only warns when the georeference at a file's end is cut off; the pixels would still be read."""
    path = tmp_path / "cut.tif"
    path.write_bytes(scene_path().read_bytes()[:-100])
    assert stderr_of("run", path, "-o", tmp_path / "x.vdt") == [
        "error: cut.tif is damaged: some of its tags cannot be read",
        "hint: copy the file again",
    ]


def test_reading_is_silent_in_a_thread_of_its_own(tmp_path, capfd):
    from concurrent.futures import ThreadPoolExecutor

    path = tmp_path / "cut.tif"
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=64,
        width=64,
        count=1,
        dtype="uint8",
        crs="EPSG:32633",
        transform=PLACE,
    ) as f:
        f.write(np.ones((1, 64, 64), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:2000])
    with open_scene(path) as scene, ThreadPoolExecutor(1) as pool, pytest.raises(ImageReadError):
        pool.submit(scene.read, Window(0, 0, 64, 64)).result()
    assert capfd.readouterr() == ("", "")


def test_a_huge_png_is_refused_before_memory_is_taken(tmp_path):
    with pytest.raises(LimitError) as caught:  # 3 TB
        SceneWriter(tmp_path / "huge.png", height=1_000_000, width=1_000_000, bands=3, dtype=np.uint8)
    assert ".tif" in caught.value.hint
    with pytest.raises(LimitError):
        SceneWriter(tmp_path / "huge.png", height=1 << 14, width=(1 << 14) + 1, bands=1, dtype=np.uint8)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_written_over(tmp_path):
    (tmp_path / ".out.part.tif").write_bytes(b"II*\0 no tiff")
    with SceneWriter(tmp_path / "out.tif", height=8, width=8, bands=1, dtype=np.uint8) as writer:
        writer.write(Window(0, 0, 8, 8), np.full((1, 8, 8), 7, dtype=np.uint8))
    assert [p.name for p in tmp_path.iterdir()] == ["out.tif"]
    with open_scene(tmp_path / "out.tif") as scene:
        assert (scene.read(Window(0, 0, 8, 8)) == 7).all()


def test_a_place_that_no_one_knows_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        SceneWriter(tmp_path / "o.tif", height=8, width=8, bands=1, dtype=np.uint8, geo=Geo(crs="nowhere"))
    assert list(tmp_path.iterdir()) == []


READER = """
import resource, sys
from pathlib import Path
import numpy as np, rasterio.windows
from vedette.images import open_scene, windows
def peak_mb(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, total = peak_mb(), 0
with open_scene(Path(sys.argv[1])) as scene:
    for window in windows(scene.height, scene.width, 512):
        total += int(scene.read(window).sum(dtype=np.int64))
print(peak_mb() - before, total)
"""


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_a_large_scene_is_read_window_by_window_in_bounded_memory(tmp_path, layout):
    """8000 x 8000 RGB is 192 MB of samples."""
    path = tmp_path / "large.tif"
    rng, total = np.random.default_rng(0), 0
    profile = {"driver": "GTiff", "height": SIDE, "width": SIDE, "count": 3, "dtype": "uint8"}
    profile |= {
        "photometric": "rgb",
        "compress": "deflate",
        "zlevel": 1,
        "crs": "EPSG:32633",
        "transform": PLACE,
    }
    with rasterio.open(path, "w", tiled=layout == "tiles", **profile) as file:
        for row in range(0, SIDE, 500):
            rows = rng.integers(0, 16, (3, 500, SIDE), dtype=np.uint8)
            file.write(rows, window=rasterio.windows.Window(0, row, SIDE, 500))
            total += int(rows.sum(dtype=np.int64))
    done = subprocess.run([sys.executable, "-c", READER, path], capture_output=True, text=True, check=True)
    growth_mb, found = done.stdout.split()
    assert int(found) == total
    assert float(growth_mb) < READ_GROWTH_MOST_MB
