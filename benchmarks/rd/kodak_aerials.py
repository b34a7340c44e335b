"""BD-rate of the shipped codec on Kodak and on USC-SIPI's aerial images against real encoders and VTM-9.1.

    VEDETTE_DATA=... python benchmarks/rd/kodak_aerials.py --out benchmarks/results/rd
    python benchmarks/rd/kodak_aerials.py --quick              # under a minute on 2 cores
    python benchmarks/rd/kodak_aerials.py --out N --reuse M    # measure ours again, take the anchors of M

VEDETTE_DATA names a folder that holds `kodak` (24 images) and `usc_sipi_aerials` (16 images). The whole run
takes about an hour on 2 cores, nearly all of it in VVenC and in AVIF at speed 2.

--quick takes the middle 256x256 of every twelfth image, fewer settings, VVenC's fastest preset and AVIF's
speed 6. Headers weigh more in such small files, and published points are of whole sets: its figures show
that the bench works, no more.
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vedette.codec.anchors import ENCODERS, Coder, published
from vedette.codec.evaluate import (
    Evaluation,
    evaluate_coders,
    image_paths,
    read_evaluation,
    shipped,
    table,
    to_svg,
)
from vedette.errors import VedetteError
from vedette.images import read_image

SETS = {"kodak": "kodak", "usc_sipi_aerials": None}  # folder, and the published points on it
QUICK_CODERS = ("jpeg", "jpeg2000", "webp", "avif", "jxl", "vvc-fast")
FULL_CODERS = tuple(name for name in ENCODERS if name != "vvc-fast")
QUICK_CROP, QUICK_STEP, QUICK_SETTINGS = 256, 12, 4


def main() -> int:
    """Measure, print and write; 1 where something needed is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="crops of a few images, under a minute")
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")
    parser.add_argument("--out", type=Path, help="folder for SET.json and SET-METRIC.svg")
    parser.add_argument(
        "--reuse", type=Path, help="folder of an earlier run, whose other codecs are not run again"
    )
    parser.add_argument(
        "--codec", default="vedette", help="'vedette', or an encoder's name to stand in its place"
    )
    parser.add_argument("--model", default="charm-lite", help="our weights, by name or path")
    parser.add_argument("--against", help="encoders, comma-separated; by default all")
    parser.add_argument("--sets", default=",".join(SETS), help="comma-separated")
    parser.add_argument("--threads", type=int, help="torch's; on a busy machine 1 is quickest")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        results = [evaluate_set(name, options) for name in options.sets.split(",")]
    except VedetteError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([result.to_dict() for result in results], indent=1))
    else:
        print("\n\n".join(map(table, results)))
    return 0


def evaluate_set(name: str, options: argparse.Namespace) -> Evaluation:
    """One set's curves and BD-rates, written where `--out` says."""
    ours = shipped(options.model) if options.codec == "vedette" else ENCODERS[options.codec]
    others = options.against.split(",") if options.against else QUICK_CODERS if options.quick else FULL_CODERS
    paths = image_paths(data_folder() / name)
    images = [middle(read_image(path)) for path in paths[::QUICK_STEP]] if options.quick else paths
    more = []
    if options.reuse:
        earlier = read_evaluation(options.reuse / f"{name}.json")
        if earlier.images != len(images):
            raise VedetteError(
                f"{options.reuse} holds {earlier.images} images of {name}", hint="run without --reuse"
            )
        more = [curve for curve in earlier.curves if curve.name in others and curve.name != ours.name]
    known = {curve.name for curve in more} | {ours.name}
    coders = [ours, *(ENCODERS[other] for other in others if other not in known)]
    if options.quick:
        coders = [sparse(coder) for coder in coders]
    points = SETS.get(name)
    if points and not options.quick:
        more.append(published(points).curve)
    dataset = f"{name} (quick: middle crops)" if options.quick else name
    result = evaluate_coders(images, coders, dataset=dataset, of=[ours.name], more=more, progress=tell)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        result.write(options.out / f"{name}.json")
        for metric in ("psnr", "ms_ssim"):
            (options.out / f"{name}-{metric}.svg").write_text(to_svg(result, metric))
    return result


def data_folder() -> Path:
    """The folder of real data."""
    folder = os.environ.get("VEDETTE_DATA")
    if not folder or not Path(folder).is_dir():
        raise VedetteError("VEDETTE_DATA names no folder", hint="let it name the folder that holds kodak/")
    return Path(folder)


def middle(image: np.ndarray) -> np.ndarray:
    """The middle 256 x 256 pixels."""
    _, height, width = image.shape
    top, left = (height - QUICK_CROP) // 2, (width - QUICK_CROP) // 2
    return image[:, top : top + QUICK_CROP, left : left + QUICK_CROP]


def sparse(coder: Coder) -> Coder:
    """The same codec at four of its settings, ends included."""
    chosen = np.linspace(0, len(coder.settings) - 1, QUICK_SETTINGS).round().astype(int)
    return replace(coder, settings=tuple(coder.settings[i] for i in chosen))


def tell(name: str, done: int, total: int) -> None:
    """Progress, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{name}: image {done} of {total}    ", end="\n" if done == total else "", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
