"""What helps to find small objects? Fusion, super-resolution, no Focus: trained alike, scored on test sets.

    python benchmarks/detect/ladder.py --runs runs/ladder --data DATA        # every row that is missing
    python benchmarks/detect/ladder.py --runs runs/ladder --data DATA --rows "trees: rgb" --seeds 1,2
    python benchmarks/detect/ladder.py        # the table of what is there
    python benchmarks/detect/ladder.py --scores FOLDER --json > ladder.json

DATA holds urban-trees-rgbn, hit-uav-ir and aerial-cars-rgb. A row is a recipe at width 0.25 on crops of
192 pixels of the image, which the network sees halved, as SuperYOLO sees VEDAI: the image itself is what its
branch learns to make. All rows of a set see the same crops in the same order. Scored is the average of the
weights after the last step, on the set's own test part, with 95 % bootstrap intervals over images; for
trees, whose boxes were made from points, also F1 of points within 3 m. One thread; runs resume, and what
has a score in --scores is not run again.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch

from vedette.data.boxes import BoxSet, load_coco
from vedette.detect.augment import Augment
from vedette.detect.bands import BandGroup
from vedette.detect.evaluate import evaluate
from vedette.detect.models import giga_macs, parameter_count
from vedette.detect.recipes import Recipe
from vedette.detect.train import finish, train
from vedette.errors import InputError
from vedette.images import write_atomically
from vedette.training import TrainConfig

RGB, NIR, IR = BandGroup("rgb", (1, 2, 3)), BandGroup("nir", (4,)), BandGroup("ir", (1,))
SETS: dict[str, tuple[str, tuple[str, ...] | None, float | None]] = {
    "trees": ("urban-trees-rgbn", None, 3.0),
    "ir": ("hit-uav-ir", None, None),
    "cars": ("aerial-cars-rgb", ("car", "truck", "bus", "minibus"), None),
}
PLAIN = {"fusion": "concat"}
THREE = PLAIN | {"scales": 3}
SUPERRES = {"superres": 2, "superres_blocks": 4, "superres_share": 0.5}
# bands, options of the model, of the recipe
ROWS: dict[str, tuple[tuple[BandGroup, ...], dict[str, Any], dict[str, Any]]] = {
    "trees: rgb": ((RGB,), PLAIN, {}),
    "trees: nir": ((NIR,), PLAIN, {}),
    "trees: concat": ((RGB, NIR), PLAIN, {}),
    "trees: fusion": ((RGB, NIR), {"fusion": "released"}, {}),
    "trees: fusion, superres": ((RGB, NIR), {"fusion": "released"}, SUPERRES),
    "ir: plain": ((IR,), PLAIN, {}),
    "ir: superres": ((IR,), PLAIN, SUPERRES),
    "cars: plain": ((RGB,), PLAIN, {}),
    "cars: superres": ((RGB,), PLAIN, SUPERRES),
    "trees: concat, focus": ((RGB, NIR), PLAIN | {"focus": True}, {}),
    "trees: concat, focus, three scales": ((RGB, NIR), THREE | {"focus": True}, {}),
}
CROP, REDUCE, BATCH = 192, 2, 16
SCORES = Path(__file__).parents[1] / "results" / "0.1.0" / "detect" / "ladder"


def recipe_of(row: str, steps: int, seed: int) -> Recipe:
    """The recipe of a row."""
    groups, options, more = ROWS[row]
    return Recipe(
        groups=tuple((group.name, len(group.bands)) for group in groups),
        options=options,
        reduce=REDUCE,
        augment=Augment(),
        train=TrainConfig(
            steps=steps,
            batch=BATCH,
            crop=CROP // REDUCE,
            learning_rate=2e-3,
            warmup=200,
            clip_norm=10.0,
            eval_every=steps,
            seed=seed,
        ),
        **more,
    )


def part(data: Path, row: str, name: str) -> BoxSet:
    """The training or test part of a row's set."""
    folder, classes, _ = SETS[row.partition(":")[0]]
    return load_coco(data / folder / f"{name}_coco.json", only=classes)


def run(row: str, seed: int, options: argparse.Namespace) -> dict[str, Any] | None:
    """Train and score a row, or read what was scored; None where there is neither score nor data."""
    name = f"{row.replace(': ', '-').replace(', ', '-').replace(' ', '_')}-seed{seed}"
    folder, result = options.runs / name, options.scores / f"{name}.json"
    if result.exists():
        found: dict[str, Any] = json.loads(result.read_text())
        return found
    if options.data is None:
        return None
    groups, model_options, _ = ROWS[row]
    recipe, training = recipe_of(row, options.steps, seed), part(options.data, row, "train")
    detector = finish(train(recipe, training, folder, groups=groups), training)
    radius_m = SETS[row.partition(":")[0]][2]
    test = part(options.data, row, "val")
    scores = evaluate(test, detector.network(), detector.spec, groups, radius_m=radius_m).to_dict()
    sizes = {"classes": len(test.classes), "groups": [len(group.bands) for group in groups], **model_options}
    score = {
        "row": row,
        "seed": seed,
        "steps": options.steps,
        "parameters_M": parameter_count("superyolo-lite", **sizes) / 1e6,
        "GMAC_at_512": giga_macs("superyolo-lite", **sizes),
        **scores,
        "torch": torch.__version__,
    }
    options.scores.mkdir(parents=True, exist_ok=True)
    write_atomically(result, json.dumps(score, indent=1).encode())
    return score


def summary(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean and deviation over seeds; the interval of the first seed."""
    values: dict[str, Any] = {
        key: scores[0][key] for key in ("row", "steps", "parameters_M", "GMAC_at_512", "images", "objects")
    }
    values["seeds"] = len(scores)
    for key in ("ap50", "ap50_95", "f1", "point_f1"):
        if key in scores[0]:
            each = [score[key] for score in scores]
            values[key] = mean(each)
            values[f"{key}_sd"] = stdev(each) if len(each) > 1 else None
    values["ap50_interval"] = scores[0]["ap50_interval"]
    return values


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| | seeds | M | GMAC | AP50 | 95 % of seed 1 | AP50:95 | F1 | point F1 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = []
        for key in ("ap50", "ap50_95", "f1", "point_f1"):
            spread = f" +- {100 * row[f'{key}_sd']:.1f}" if row.get(f"{key}_sd") is not None else ""
            cells.append(f"{100 * row[key]:.1f}{spread}" if key in row else "")
        low, high = (100 * value for value in row["ap50_interval"])
        cells.insert(1, f"{low:.1f} to {high:.1f}")
        start = f"| {row['row']} | {row['seeds']} | {row['parameters_M']:.2f} | {row['GMAC_at_512']:.1f} |"
        lines.append(f"{start} {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/ladder"), help="folder of the runs")
    parser.add_argument("--scores", type=Path, default=SCORES, help="folder of the scores")
    parser.add_argument("--data", type=Path, help="folder of the sets; else only what is there is shown")
    parser.add_argument("--rows", help="some rows, separated by ';'")
    parser.add_argument("--seeds", default="1", help="comma-separated")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [row.strip() for row in options.rows.split(";")] if options.rows else list(ROWS)
    unknown = [row for row in rows if row not in ROWS]
    if unknown:
        raise InputError(f"no row {unknown[0]!r}", hint=f"one of {'; '.join(ROWS)}")
    torch.set_num_threads(1)
    found = []
    for row in rows:
        scores = [run(row, int(seed), options) for seed in options.seeds.split(",")]
        known = [score for score in scores if score is not None]
        if known:
            found.append(summary(known))
    print(json.dumps(found, indent=1) if options.json else table(found))


if __name__ == "__main__":
    main()
