"""A scene of 10,000 x 10,000 pixels through `vedette run` and `vedette open`: speed, peak memory, its growth.

    python benchmarks/codec/scene.py [FOLDER] [--quick] [--json]

The scene is a tiled GeoTIFF of three bands, made on the fly of mirrored copies of FOLDER's lossless images
(by default of the shipped sample). Each direction is a process of its own, whose peak resident memory the
kernel tells when it ends. A scene of half the side is measured first: the difference of the peaks over the
difference of the pixels is what memory grows by, and tells whether a still larger scene would fit.

MPixel/s are scene pixels (of all three bands together) over the command's own seconds, which leave out the
start of Python and torch, and include reading the scene and writing the image.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from mosaic import mosaic, photographs

from vedette.images import Window, windows
from vedette.samples import scene_path

SIDE, QUICK_SIDE = 10_000, 2048  # pixels
CELL = 1000  # pixels of the scene that one image fills, each way
LIMIT_MB = 1500  # peak resident memory of either direction


def main() -> int:
    """Measure and print; 1 where the limit does not hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=scene_path().parent)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SIDE} pixels a side")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", type=int, help="another side, pixels")
    parser.add_argument("--quality", type=float, default=32.0)
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--threads", type=int, help="torch's; by default as many as there are cores")
    parser.add_argument(
        "--workers", type=int, help="tiles encoded at once; by default what `vedette run` chooses"
    )
    options = parser.parse_args()
    side = options.side or (QUICK_SIDE if options.quick else SIDE)
    images = photographs(options.folder)
    with tempfile.TemporaryDirectory() as folder:
        half, whole = (measure(images, pixels, Path(folder), options) for pixels in (side // 2, side))
    growth = {
        direction: 1e6 * (whole[direction]["peak_mb"] - half[direction]["peak_mb"]) / (0.75 * side * side)
        for direction in ("encode", "decode")
    }
    peak = max(whole["encode"]["peak_mb"], whole["decode"]["peak_mb"])
    result = {
        "scene": f"{side} x {side} x 3 uint8, of {len(images)} images of {options.folder.name}",
        "quality": options.quality,
        "tile": options.tile,
        "cores": len(os.sched_getaffinity(0)),
        "torch_threads": options.threads,
        "workers": options.workers,
        "half": half,
        "whole": whole,
        "growth_bytes_per_pixel": growth,
        "limit_mb": LIMIT_MB,
        "limit_holds": peak <= LIMIT_MB,
    }
    print(json.dumps(result, indent=1) if options.json else text(result))
    return 0 if result["limit_holds"] else 1


def measure(images: list[np.ndarray], side: int, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Both directions on a scene of `side` pixels a side."""
    scene, product, image = (folder / name for name in ("scene.tif", "scene.vdt", "opened.tif"))
    make(scene, images, side)
    run = ["run", str(scene), "-o", str(product), f"--quality={options.quality}", f"--tile={options.tile}"]
    if options.workers:
        run.append(f"--workers={options.workers}")
    encode = timed(run, side, options.threads)
    decode = timed(["open", str(product), "-o", str(image)], side, options.threads)
    if decode.pop("missing_tiles") != "none":
        raise SystemExit("tiles are missing in the opened scene")
    return {
        "pixels": side * side,
        "scene_bytes": 3 * side * side,
        "product_bytes": product.stat().st_size,
        "bpp": 8 * product.stat().st_size / side**2,
        "encode": encode,
        "decode": decode,
    }


def make(path: Path, images: list[np.ndarray], side: int) -> None:
    """The scene as a GeoTIFF in tiles of 512, written tile by tile."""
    profile = {"driver": "GTiff", "height": side, "width": side, "count": 3, "dtype": "uint8"}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "crs": "EPSG:32611"}
    transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 4_000_000)
    # GDAL's cache would count into this process' peak, below which no child's can be measured.
    with (
        rasterio.Env(GDAL_CACHEMAX=64_000_000),
        rasterio.open(path, "w", transform=transform, **profile) as file,
    ):
        for window in windows(side, side, 512):
            place = rasterio.windows.Window(window.col, window.row, window.width, window.height)
            file.write(
                mosaic(images, Window(window.row, window.col, window.height, window.width), CELL),
                window=place,
            )


def timed(arguments: list[str], side: int, threads: int | None) -> dict[str, Any]:
    """Run `vedette` with `arguments`: seconds, MPixel/s, and the peak of its resident memory in MB."""
    environment = dict(os.environ) | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    command = [sys.executable, "-m", "vedette", *arguments, "--json"]
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} failed")
        out.seek(0)
        row = json.load(out)
    unit = 1 if sys.platform == "darwin" else 1024  # Linux counts KiB
    figures = {
        "seconds": row["seconds"],
        "mpixel_per_s": side * side / row["seconds"] / 1e6,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss * unit / 1e6,
    }
    return figures | ({"missing_tiles": row["missing_tiles"]} if "missing_tiles" in row else {})


def text(result: dict[str, Any]) -> str:
    """The result for people."""
    lines = [
        f"{result['scene']}; quality {result['quality']:g}, tile {result['tile']}, {result['cores']} cores"
    ]
    for name in ("half", "whole"):
        row = result[name]
        lines.append(
            f"{row['pixels'] / 1e6:.1f} MPixel, {row['product_bytes']:,} bytes, {row['bpp']:.3f} bpp"
        )
        for direction in ("encode", "decode"):
            got = row[direction]
            speed = f"{got['mpixel_per_s']:7.3f} MPixel/s ({got['seconds']:.1f} s)"
            lines.append(f"  {direction}  {speed}   peak {got['peak_mb']:7.0f} MB")
    growth = result["growth_bytes_per_pixel"]
    lines.append(f"growth: encode {growth['encode']:.2f}, decode {growth['decode']:.2f} bytes a pixel")
    lines.append(f"limit of {LIMIT_MB} MB {'holds' if result['limit_holds'] else 'is EXCEEDED'}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
