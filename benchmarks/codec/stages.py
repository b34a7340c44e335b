"""Seconds to encode and decode images, by stage: networks, entropy path with rANS; medians and spread.

python benchmarks/codec/stages.py FOLDER [--quick] [--json]
"""

import argparse
import json
import time
from pathlib import Path
from statistics import median

import torch

from vedette.codec import load
from vedette.codec.evaluate import image_paths
from vedette.data import load_rgb


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="4 images")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(2)
    codec, quality = load(), 32.0
    stages: dict[str, list[float]] = {
        "analysis": [],
        "entropy_encode": [],
        "entropy_decode": [],
        "synthesis": [],
    }
    for number, path in enumerate(image_paths(options.folder)[: 4 if options.quick else None]):
        image = load_rgb(path).float() / 255
        image = image[:, : image.shape[1] // 8 * 8, : image.shape[2] // 8 * 8]
        for _ in range(3 if number == 0 else 1):  # the first runs warm up
            marks = [time.perf_counter()]
            y = codec.analyze(image, quality)
            marks.append(time.perf_counter())
            streams, _ = codec.encode_latents(y, quality)
            marks.append(time.perf_counter())
            latents = codec.decode_latents(streams, y.shape[2], y.shape[3])
            marks.append(time.perf_counter())
            codec.synthesize(latents.as_float(), latents.quality)
            marks.append(time.perf_counter())
        for name, start, end in zip(stages, marks[:-1], marks[1:], strict=True):
            stages[name].append(end - start)
    rows = {name: {"median": median(s), "min": min(s), "max": max(s)} for name, s in stages.items()}
    if options.json:
        print(json.dumps(rows))
        return
    for name, row in rows.items():
        print(f"{name:<16} {row['median']:.3f} s  ({row['min']:.3f} .. {row['max']:.3f})")


main()
