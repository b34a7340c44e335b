"""A scene of 10,000 x 10,000 pixels from end to end: time, memory, and whether windows change what is found.

    python benchmarks/detect/scene.py DATA/aerial-cars-rgb/val_coco.json -m cars-rgb
    python benchmarks/detect/scene.py DATA/urban-trees-rgbn/val_coco.json -m trees-rgbn --side 10000 --json

The scene is a GeoTIFF tiled from the set's images. The peak is that of a process that does nothing else. The
second part cuts a scene of --small pixels that fits in memory into windows and compares with the whole.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vedette.data.boxes import load_coco
from vedette.detect.bands import BandGroup, Sensors
from vedette.detect.detections import Detections
from vedette.detect.predict import load_network, predict
from vedette.detect.scene import Finding, find
from vedette.images import Geo, SceneWriter, Window, open_scene
from vedette.images.boxes import iou


def make_scene(images: Path, path: Path, side: int, gsd_m: float) -> None:
    """A GeoTIFF of side x side pixels, row after row of the set's images, cut at its border."""
    found = load_coco(images).images
    with open_scene(found[0].path, bands=(1,)) as probe:
        bands = probe.source_bands
    geo = Geo(crs="EPSG:32611", transform=(gsd_m, 0.0, 400000.0, 0.0, -gsd_m, 3700000.0))
    with SceneWriter(path, height=side, width=side, bands=bands, dtype=np.uint8, geo=geo) as writer:
        row, number = 0, 0
        while row < side:
            col, deep = 0, 0
            while col < side:
                image = found[number % len(found)]
                group = BandGroup("all", tuple(range(1, bands + 1)))
                with Sensors((image.path,), (group,), (bands,)) as sensors:
                    samples = sensors.whole()[:, : side - row, : side - col]
                writer.write(Window(row, col, *samples.shape[1:]), samples)
                col += samples.shape[2]
                deep = samples.shape[1] if not deep else min(deep, samples.shape[1])
                number += 1
            row += deep


def peak_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def agreement(one: Detections, other: Detections) -> dict[str, float]:
    """Share of `one` that has a twin of its class in `other` (IoU above 0.9), and the gap of their scores."""
    if not len(one) or not len(other):
        return {"count": len(one), "count_other": len(other), "twins": float(len(one) == len(other))}
    overlap = iou(one.xyxy, other.xyxy) * (one.labels[:, None] == other.labels[None])
    best = overlap.argmax(axis=1)
    twin = overlap.max(axis=1) > 0.9
    gap = np.abs(one.scores - other.scores[best])[twin]
    return {
        "count": len(one),
        "count_other": len(other),
        "twins": float(twin.mean()),
        "score_gap_most": float(gap.max(initial=0.0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("images", type=Path)
    parser.add_argument("-m", "--model", default="cars-rgb")
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--small", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--gsd-m", type=float, default=0.6)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child is not None:
        start = time.perf_counter()
        result = predict(options.child, options.child.parent / "out", model=options.model, any_gsd=True)
        seconds = time.perf_counter() - start
        print(json.dumps({"found": len(result.found), "seconds": seconds, "peak_MB": peak_mb()}))
        return
    with tempfile.TemporaryDirectory() as folder:
        scene, small = Path(folder) / "scene.tif", Path(folder) / "small.tif"
        make_scene(options.images, scene, options.side, options.gsd_m)
        make_scene(options.images, small, options.small, options.gsd_m)
        command = [sys.executable, __file__, *sys.argv[1:], "--child", str(scene)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        whole: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        whole["MPixel_per_s"] = options.side**2 / 1e6 / whole["seconds"]
        network, spec = load_network(options.model)
        with open_scene(small, bands=(1,)) as probe:
            groups = spec.groups_of((), probe.source_bands)
        with Sensors((small,), groups, spec.counts) as sensors:
            untiled = find(sensors, network, spec, Finding(tile=0))
            tiled = {
                f"windows of {tile}, overlap {overlap}": agreement(
                    untiled, find(sensors, network, spec, Finding(tile=tile, overlap=overlap))
                )
                for tile, overlap in ((512, 96), (256, 96), (256, 32))
            }
    report = {"model": options.model, "side": options.side, "end_to_end": whole, "tiled_and_whole": tiled}
    if options.json:
        print(json.dumps(report, indent=1))
        return
    print(
        f"{options.side} x {options.side}: {whole['found']} found in {whole['seconds']:.0f} s "
        f"({whole['MPixel_per_s']:.2f} MPixel/s), {whole['peak_MB']:.0f} MB"
    )
    for name, row in tiled.items():
        print(
            f"{name}: {row['count']} whole, {row['count_other']} in windows, "
            f"{100 * row['twins']:.2f} % have a twin"
        )


if __name__ == "__main__":
    main()
