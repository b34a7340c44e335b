"""Images a second: torch, ONNX in float32 and in int8, of one detector on one size.

    python benchmarks/detect/speed.py -m cars-rgb --images DATA/aerial-cars-rgb/val_coco.json
    python benchmarks/detect/speed.py -m cars-rgb --images ... --threads 2 --side 512 --json

Times the network with its decoding on prepared images, suppression apart; each form in turn, several
rounds, medians and the spread. Floating products of the network per second stand beside, since the
processor's peak bounds them. Run it with the machine otherwise idle.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vedette.detect.calibrate import prepared_images
from vedette.detect.detector_file import load_detector
from vedette.detect.evaluate import evaluate
from vedette.detect.export import export_onnx
from vedette.detect.models import giga_macs
from vedette.detect.predict import load_network
from vedette.detect.sets import open_set
from vedette.images import open_scene

ROUNDS = 9


def rate(run: Callable[[], Any]) -> dict[str, float]:
    """Seconds of a call: median, least and most."""
    run()
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return {"median_s": statistics.median(seconds), "least_s": min(seconds), "most_s": max(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-m", "--model", default="cars-rgb")
    parser.add_argument("--images", type=Path, required=True, help="COCO file: ranges for int8")
    parser.add_argument("--test", type=Path, help="COCO file to score each form on")
    parser.add_argument("--side", type=int, default=512, help="of the network's input, pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    detector = load_detector(options.model)
    spec = detector.spec
    macs = giga_macs(detector.name, side=options.side, **detector.options)
    image = np.random.default_rng(0).random(
        (1, sum(spec.counts), options.side, options.side), dtype=np.float32
    )
    with tempfile.TemporaryDirectory() as folder:
        files = {"onnx float32": Path(folder) / "float.onnx", "onnx int8": Path(folder) / "int8.onnx"}
        export_onnx(detector, files["onnx float32"])
        images = prepared_images(open_set(options.images), spec)
        export_onnx(load_detector(options.model), files["onnx int8"], int8=images)
        networks = {"torch float32": load_detector(options.model).network()}
        networks |= {n: load_network(str(p), threads=options.threads)[0] for n, p in files.items()}
        found: dict[str, Any] = {}
        for name, network in networks.items():
            found[name] = rate(lambda network=network: network(image))
            found[name]["images_per_s"] = 1 / found[name]["median_s"]
            found[name]["GMAC_per_s"] = macs / found[name]["median_s"]
            if options.test is not None:
                test = open_set(options.test, only=spec.classes)
                with open_scene(test.images[0].path, bands=(1,)) as probe:
                    groups = spec.groups_of((), probe.source_bands)
                scores = evaluate(test, network, spec, groups, draws=200)
                found[name] |= {"ap50": scores.scores.ap50, "ap50_95": scores.scores.ap50_95}
    report = {
        "model": options.model,
        "side": options.side,
        "threads": options.threads,
        "GMAC": macs,
        "forms": found,
        "torch": torch.__version__,
    }
    if options.json:
        print(json.dumps(report, indent=1))
        return
    for name, row in found.items():
        spread = f"{row['least_s'] * 1000:.0f} to {row['most_s'] * 1000:.0f}"
        score = f", AP50 {100 * row['ap50']:.1f}" if "ap50" in row else ""
        speed = f"{row['images_per_s']:6.2f} images/s ({spread} ms), {row['GMAC_per_s']:.0f} GMAC/s"
        print(f"{name:14} {speed}{score}")


if __name__ == "__main__":
    main()
