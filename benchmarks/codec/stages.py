"""Seconds to encode and decode images, by stage and in all, beside what others take in the same run.

    python benchmarks/codec/stages.py FOLDER [--quick] [--json] [--threads 2] [--quality 32]

Encoding: analysis, entropy networks and choice of symbols, rANS, and the whole from array to the bytes of a
product. Decoding: rANS, entropy networks, synthesis, and the whole from bytes to array. Clock time, one image
after the other, after warming up; median, least and most over the images. The peers are WebP (method 6) and
AVIF (4:4:4, speed 6), one thread each as their bindings are asked, at settings near the same rate.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from exact_path import stopwatch
from mosaic import photographs

from vedette.codec import Codec, decode_array, encode_image, load
from vedette.codec.anchors import coder

PEERS = {"webp": 60, "avif": 52}  # settings that come near the rate of quality 32


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="4 images")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=2, help="torch's")
    parser.add_argument("--quality", type=float, default=32.0)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    codec = load()
    images = photographs(options.folder)[: 4 if options.quick else None]
    for _ in range(3):
        measure(codec, images[0], options.quality)  # the first runs warm up
    found = [measure(codec, image, options.quality) for image in images]
    rows = {
        name: {"median": median(s), "least": min(s), "most": max(s)}
        for name in found[0]
        for s in [[image[name] for image in found]]
    }
    if options.json:
        print(json.dumps({"threads": options.threads, "weights": codec.weights_id.hex(), "seconds": rows}))
        return
    for name, row in rows.items():
        print(f"{name:<22} {row['median']:.3f}  ({row['least']:.3f} .. {row['most']:.3f})")


def measure(codec: Codec, image: np.ndarray, quality: float) -> dict[str, float]:
    """Seconds of each stage for one image, and the bits a pixel of each file."""
    block = codec.block
    height, width = (side // block * block for side in image.shape[1:])
    cut = torch.from_numpy(image[:, :height, :width]).float() / 255
    analysis, y = timed(codec.analyze, cut, quality)
    with stopwatch(time.perf_counter) as rans_s:
        entropy, (streams, latents) = timed(codec.encode_latents, y, quality)
    row = {"analysis": analysis, "entropy encode": entropy - sum(rans_s), "rANS encode": sum(rans_s)}
    row["encode"], data = timed(encode_image, image, codec, quality=quality)
    with stopwatch(time.perf_counter) as rans_s:
        entropy, latents = timed(codec.decode_latents, streams, y.shape[2], y.shape[3])
    row |= {"rANS decode": sum(rans_s), "entropy decode": entropy - sum(rans_s)}
    row["synthesis"], _ = timed(codec.synthesize, latents.as_float(), quality)
    row["decode"], _ = timed(decode_array, data, codec)
    pixels = image.shape[1] * image.shape[2]
    row["bpp"] = 8 * len(data) / pixels
    for name, setting in PEERS.items():
        peer = coder(name)
        row[f"{name} encode"], data = timed(peer.encode, image, setting)
        row[f"{name} decode"], _ = timed(peer.decode, data)
        row[f"{name} bpp"] = 8 * len(data) / pixels
    return row


def timed(call: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[float, Any]:
    """Seconds and result of a call."""
    start = time.perf_counter()
    result = call(*arguments, **options)
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
