"""Do wavelets pay? The ablation of WeConvene and 3DM-WeConvene at lite size, every row at equal cost.

    python benchmarks/codec/wavelets.py --runs runs/wavelets --images cid22 --halved ucmerced_jpg \
        --kodak kodak --aerials usc_sipi_aerials --steps 1500 --json
    python benchmarks/codec/wavelets.py ... --rows charm-lite,plain   # some rows, in a process of their own
    python benchmarks/codec/wavelets.py --runs runs/wavelets          # the table of the rows that are there

A row is trained (it goes on where it stopped), frozen, and measured with real files: BD-rate against
charm-lite on Kodak and on aerial images, and the time of a Kodak image; the two codecs also on four
aerials of 1024 pixels, as they are and reduced to 512 and 256. All rows see the same crops in the same
order. Widths of the residual networks are chosen so that each row costs what charm-lite costs, in
multiply-adds of the whole codec (within 5 %). One thread.
"""

import argparse
import json
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from vedette.codec import kilo_macs_per_pixel
from vedette.codec.evaluate import image_paths, shipped
from vedette.codec.measure import Item, measure
from vedette.codec.models import build
from vedette.codec.recipes import Recipe
from vedette.codec.train import freeze_checkpoint, train
from vedette.errors import InputError
from vedette.images import write_atomically
from vedette.metrics import Curve, compare
from vedette.training import TrainConfig

BASE = "charm-lite"
WAVELET = "weconvene-lite"
WIDE = {"high_kernel": 3}  # on high bands, as WeConvene has it
PLAIN = {"block": "plain", "entropy": "plain", "features": 64, **WIDE}
# What each row is, of the model it names; the paper's own rows are the first four after charm-lite.
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "charm-lite": (BASE, {}),
    "plain": (WAVELET, PLAIN),
    "+ WeConv": (WAVELET, {**PLAIN, "block": "weconv"}),
    "+ WeChARM": (WAVELET, WIDE),
    "WeChARM alone": (WAVELET, {**WIDE, "block": "plain"}),
    "5/3": (WAVELET, {**WIDE, "wavelet": "5/3"}),
    "9/7": (WAVELET, {**WIDE, "wavelet": "9/7"}),
    "2 levels": (WAVELET, {**WIDE, "levels": 2}),
    "weconvene-lite": (WAVELET, {}),
    "channel wavelet": (WAVELET, {**WIDE, "entropy": "3dwecharm", "channel_wavelet": "haar"}),
    "3D, 9/7 everywhere": ("weconvene3d-lite", {"wavelet": "9/7", "channel_wavelet": "9/7"}),
    "weconvene3d-lite": ("weconvene3d-lite", {}),
}
QUALITIES = (6.0, 16.0, 26.0, 36.0, 46.0)
SIZES = (1024, 512, 256)  # pixels a side, of the largest aerials
BY_SIZE = ("charm-lite", "+ WeChARM", "3D, 9/7 everywhere")


def options_of(row: str) -> dict[str, Any]:
    """The model options of a row, widths set so that it costs what charm-lite costs."""
    model, options = ROWS[row]
    if not options:  # a codec as it ships
        return {}
    wanted, default = kilo_macs_per_pixel(BASE), build(model).configuration

    def at(scale: float) -> dict[str, Any]:
        widths = ("analysis_width", "synthesis_width")
        return options | {name: 4 * round(default[name] * scale / 4) for name in widths}

    scales = [0.6 + 0.02 * n for n in range(60)]
    return min(map(at, scales), key=lambda found: abs(kilo_macs_per_pixel(model, **found) - wanted))


def run_row(row: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train and measure a row, or read what was measured."""
    folder: Path = options.runs / row.replace(" ", "_").replace("/", "-")
    result = folder / "score.json"
    if result.exists():
        found: dict[str, Any] = json.loads(result.read_text())
        return found
    if not options.images:
        raise InputError(f"row {row!r} has not been run", hint="give --images to train it")
    model, settings = ROWS[row][0], options_of(row)
    config = TrainConfig(steps=options.steps, eval_every=options.steps, save_every=100)
    start = time.process_time()
    recipe = Recipe(model=model, train=config, options=settings)
    checkpoint = train(recipe, options.images, folder, halved=options.halved)
    train_s = time.process_time() - start
    weights = folder / "weights.safetensors"
    write_atomically(weights, freeze_checkpoint(checkpoint, options.images[0]))
    coder = shipped(str(weights), qualities=QUALITIES)
    sets: dict[str, Sequence[Item]] = {}
    if options.kodak:
        sets["kodak"] = image_paths(options.kodak)[:: options.every]
    if options.aerials:
        aerials = image_paths(options.aerials)
        sets["aerials"] = aerials[:: options.every]
        if row in BY_SIZE:
            sets |= {f"aerials at {side}": _largest(aerials, side) for side in SIZES}
    network = build(model, **settings)
    found = {
        "row": row,
        "model": model,
        "options": settings,
        "steps": options.steps,
        "parameters_M": sum(p.numel() for p in network.parameters()) / 1e6,
        "kMAC_per_pixel": kilo_macs_per_pixel(model, **settings),
        "training_cpu_s": train_s,
        "curves": {name: asdict(measure(images, coder)) for name, images in sets.items()},
        "peak_memory_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "torch": torch.__version__,
    }
    write_atomically(result, json.dumps(found, indent=1).encode())
    return found


def _largest(paths: Sequence[Path], side: int) -> list[np.ndarray]:
    """The images of 1024 pixels a side among `paths`, reduced to `side` by averages of boxes."""
    images = []
    for path in paths:
        with Image.open(path) as image:
            if min(image.size) == SIZES[0]:
                rgb = image.convert("RGB").reduce(SIZES[0] // side)
                images.append(np.asarray(rgb).transpose(2, 0, 1).copy())
    return images


def _curve(data: Mapping[str, Any]) -> Curve:
    return Curve(**{key: tuple(value) if isinstance(value, list) else value for key, value in data.items()})


def table(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row of figures for each row of the ablation; BD-rates against the first, in percent."""
    base, rows = found[0], []
    for row in found:
        figures: dict[str, Any] = {
            "row": row["row"],
            "steps": row["steps"],
            "M": round(row["parameters_M"], 2),
            "kMAC/px": round(row["kMAC_per_pixel"], 1),
        }
        for name, curve in row["curves"].items():
            if name not in base["curves"]:
                continue
            rate = compare(_curve(curve), _curve(base["curves"][name]))
            figures[name] = round(rate.psnr_percent, 2) if rate.psnr_percent is not None else None
            if name in ("kodak", "aerials") and rate.ms_ssim_percent is not None:
                figures[f"{name}, MS-SSIM"] = round(rate.ms_ssim_percent, 2)
        times = row["curves"].get("kodak", {})
        if times:
            figures["encode ms"] = round(1000 * median(times["encode_s"]))
            figures["decode ms"] = round(1000 * median(times["decode_s"]))
        figures["peak MB"] = round(row["peak_memory_MB"])
        rows.append(figures)
    return rows


def main() -> None:
    """Run the rows and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, required=True, help="folder of the rows' runs")
    parser.add_argument("--rows", help="names, comma-separated; by default all, or all that are there")
    parser.add_argument("--images", type=Path, action="append", default=[], help="training photographs")
    parser.add_argument("--halved", type=Path, action="append", default=[], help="JPEGs to train on, halved")
    parser.add_argument("--kodak", type=Path)
    parser.add_argument("--aerials", type=Path)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--every", type=int, default=1, help="measure every so-manieth image only")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    names = options.rows.split(",") if options.rows else list(ROWS)
    found = []
    for name in names:
        try:
            found.append(run_row(name, options))
        except InputError:
            if options.images or options.rows:
                raise
    if options.json:
        print(json.dumps({"table": table(found), "rows": found}, indent=1))
        return
    for figures in table(found):
        print(", ".join(f"{key} {value}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
