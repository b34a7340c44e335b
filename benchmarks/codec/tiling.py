"""What independent tiles cost: error at their borders, and bytes, against the same image coded as one tile.

    python benchmarks/codec/tiling.py FOLDER [--quick] [--json]

Images below 1024 pixels a side are enlarged to 1024 x 1024 by mirrored copies, laid so that tile borders run
through the middle of a copy; larger ones are coded as they are. Each is coded twice at each quality, in tiles
of 512 and whole.

Seam: the mean squared error of the pixels within 8 of a tile border. Whether tiling shows is told by these
same pixels in the image coded whole ("over control"): the plain ratio of border to interior also tells what
the image happens to hold there, and is printed for both codings. Errors of all images are pooled, so that
one ratio stands for the set; the largest of a single image is printed too.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mosaic import mirrored, photographs

from vedette.codec import Codec, decode_array, encode_image, load

TILE, SEAM = 512, 8  # pixels; the seam's on each side of a border
LEAST = 1024  # pixels a side
QUALITIES = (16.0, 32.0, 48.0)
GOALS = {"seam_over_control_percent": 5.0, "bytes_percent": 2.0}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="two images")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", default="charm-lite", help="weights, by name or path")
    parser.add_argument("--threads", type=int, default=1, help="torch's")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = [enlarged(image) for image in photographs(options.folder)]
    if options.quick:
        images = images[:: max(1, len(images) - 1)][:2]
    codec = load(options.model)
    rows = [row_of(quality, [measure(image, codec, quality) for image in images]) for quality in QUALITIES]
    result = {"set": options.folder.name, "images": len(images), "goals": GOALS, "qualities": rows}
    result["weights"] = codec.weights_id.hex()
    print(json.dumps(result, indent=1) if options.json else text(result))


def enlarged(image: np.ndarray) -> np.ndarray:
    """The image, or 1024 x 1024 pixels of its mirrored copies."""
    _, height, width = image.shape
    if min(height, width) >= LEAST:
        return image
    return mirrored(image, LEAST, LEAST, row=height // 2, col=width // 2)


def measure(image: np.ndarray, codec: Codec, quality: float) -> dict[str, Any]:
    """Bytes and squared errors of one image, coded in tiles and whole."""
    border = seam(*image.shape[1:])
    found: dict[str, Any] = {"border": float(border.mean())}
    for name, tile in (("tiled", TILE), ("whole", 0)):
        data = encode_image(image, codec, quality=quality, tile=tile)
        error = np.square(decode_array(data, codec).astype(np.float32) - image).mean(axis=0)
        found[name] = {
            "bytes": len(data),
            "seam": float(error[border].mean()),
            "interior": float(error[~border].mean()),
        }
    return found


def seam(height: int, width: int) -> np.ndarray:
    """Where a pixel lies within 8 of a border between tiles."""
    near_row, near_col = (_near(np.arange(side), side) for side in (height, width))
    return near_row[:, None] | near_col[None]


def _near(positions: np.ndarray, side: int) -> np.ndarray:
    border = (positions + SEAM) // TILE * TILE  # the only one that can be within reach
    near: np.ndarray = (border > 0) & (border < side) & (np.abs(positions + 0.5 - border) < SEAM)
    return near


def row_of(quality: float, found: list[dict[str, Any]]) -> dict[str, float]:
    """The figures of one quality, in percent above the control, over all images and at worst."""
    pooled = {
        (coding, part): float(np.mean([image[coding][part] for image in found]))
        for coding in ("tiled", "whole")
        for part in ("bytes", "seam", "interior")
    }
    by_seam = [image["tiled"]["seam"] / image["whole"]["seam"] for image in found]
    by_bytes = [image["tiled"]["bytes"] / image["whole"]["bytes"] for image in found]
    return {
        "quality": quality,
        "whole_mse": float(np.mean([_mse(image, "whole") for image in found])),
        "tiled_mse": float(np.mean([_mse(image, "tiled") for image in found])),
        "seam_over_control_percent": _percent(pooled["tiled", "seam"] / pooled["whole", "seam"]),
        "seam_over_control_worst_percent": _percent(max(by_seam)),
        "seam_over_interior_tiled_percent": _percent(pooled["tiled", "seam"] / pooled["tiled", "interior"]),
        "seam_over_interior_whole_percent": _percent(pooled["whole", "seam"] / pooled["whole", "interior"]),
        "bytes_percent": _percent(pooled["tiled", "bytes"] / pooled["whole", "bytes"]),
        "bytes_worst_percent": _percent(max(by_bytes)),
    }


def _mse(image: dict[str, Any], coding: str) -> float:
    share: float = image["border"]
    mse: float = share * image[coding]["seam"] + (1 - share) * image[coding]["interior"]
    return mse


def _percent(ratio: float) -> float:
    return 100 * (ratio - 1)


def text(result: dict[str, Any]) -> str:
    """The result for people."""
    seam_goal, bytes_goal = GOALS["seam_over_control_percent"], GOALS["bytes_percent"]
    lines = [
        f"{result['set']}, {result['images']} images; goals: seam +{seam_goal:g} %, bytes +{bytes_goal:g} %"
    ]
    lines.append(f"{'':9}{'seam over control':>22}{'over interior':>24}{'bytes':>18}{'MSE':>18}")
    lines.append(
        f"{'quality':9}{'all':>11}{'worst':>11}{'tiled':>12}{'whole':>12}{'all':>9}{'worst':>9}"
        f"{'tiled':>9}{'whole':>9}"
    )
    for row in result["qualities"]:
        lines.append(
            f"{row['quality']:<9g}{row['seam_over_control_percent']:+10.2f}%"
            f"{row['seam_over_control_worst_percent']:+10.2f}%"
            f"{row['seam_over_interior_tiled_percent']:+11.1f}%{row['seam_over_interior_whole_percent']:+11.1f}%"
            f"{row['bytes_percent']:+8.2f}%{row['bytes_worst_percent']:+8.2f}%"
            f"{row['tiled_mse']:9.2f}{row['whole_mse']:9.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
