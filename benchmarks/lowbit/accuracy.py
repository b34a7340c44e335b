"""Accuracies of training runs: mean, interval, and the loss against a baseline with its standard error.

    vedette lowbit train --recipe resnet20-444 --images eurosat.zip --seed 1 -o runs/resnet20-444/seed1
    python benchmarks/lowbit/accuracy.py runs/ [--earlier accuracy.json] [--json] [--plot curves.svg]

Folders are NETWORK-FORMAT/seedN. The score of a run is that of its last step. Intervals are of 95 % by
Student's t over seeds. Differences are of means; "clear" are those of more than two standard errors.
"""

import argparse
import json
import math
import statistics
from pathlib import Path
from typing import Any

from vedette.lowbit.recipes import PRECISIONS
from vedette.report.chart import Chart, Line

T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}


def last_scores(folder: Path) -> list[dict[str, float]]:
    """The last validation of every finished run of a recipe."""
    found = []
    for run in sorted(file.parent for file in folder.glob("seed*/metrics.jsonl")):
        steps = json.loads((run / "run.json").read_text())["recipe"]["train"]["steps"]
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        scores = [row for row in rows if "accuracy_percent" in row and row["step"] == steps]
        found += scores[-1:]
    return found


def curve(folder: Path) -> Line:
    """Mean accuracy over runs at each validation."""
    points: dict[int, list[float]] = {}
    for file in folder.glob("seed*/metrics.jsonl"):
        for row in map(json.loads, file.read_text().splitlines()):
            if "accuracy_percent" in row:
                points.setdefault(row["step"], []).append(row["accuracy_percent"])
    steps = sorted(points)
    return Line(folder.name, tuple(map(float, steps)), tuple(statistics.mean(points[s]) for s in steps))


def summary(scores: list[dict[str, float]]) -> dict[str, Any]:
    """Mean, standard deviation, and half of the interval."""
    values = [score["accuracy_percent"] for score in scores]
    count = len(values)
    deviation = statistics.stdev(values) if count > 1 else math.nan
    half = T_95.get(count, 2.0) * deviation / math.sqrt(count)
    return {
        "seeds": count,
        "accuracies_percent": values,
        "mean_percent": statistics.mean(values),
        "standard_deviation": deviation,
        "interval_95": half,
    }


def difference(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """`one` minus `other`, in points."""
    error = math.sqrt(sum(s["standard_deviation"] ** 2 / s["seeds"] for s in (one, other)))
    points = one["mean_percent"] - other["mean_percent"]
    return {"points": points, "standard_error": error, "clear": abs(points) > 2 * error}


def main() -> None:
    """Read and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path)
    parser.add_argument("--earlier", type=Path, help="this program's JSON, for recipes that have no run here")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", type=Path, help="write curves of the first network's runs as SVG")
    options = parser.parse_args()
    folders = [folder for folder in sorted(options.runs.iterdir()) if folder.is_dir() and last_scores(folder)]
    found = {folder.name: summary(last_scores(folder)) for folder in folders}
    if options.earlier:
        found = dict(sorted((json.loads(options.earlier.read_text())["scores"] | found).items()))
    pairs = []
    for name in found:
        format = max((f for f in PRECISIONS if name.endswith(f"-{f}")), key=len, default="fp32")
        network = name.removesuffix(f"-{format}")
        others = {"444-shift": ["fp32", "444-tensor"], "444": ["fp32", "444-l2"], "fp32": []}
        names = [f"{network}-{other}" for other in others.get(format, ["fp32"])]
        pairs += [(name, other) for other in names if other in found]
    differences = {f"{one} - {other}": difference(found[one], found[other]) for one, other in pairs}
    if options.plot:
        network = next(iter(found)).partition("-")[0]
        lines = [curve(folder) for folder in folders if folder.name.startswith(network)]
        lines = [line for line in lines if line.x[-1:] == lines[0].x[-1:]]  # of one schedule
        chart = Chart(
            title="Held-out accuracy, mean over seeds", x_title="step", y_title="percent", lines=lines
        )
        options.plot.write_text(chart.svg())
    if options.json:
        print(json.dumps({"scores": found, "differences": differences}, indent=1))
        return
    for name, row in found.items():
        print(f"{name:24} {row['seeds']} seeds  {row['mean_percent']:6.2f} % +- {row['interval_95']:.2f}")
    for name, row in differences.items():
        clear = "clear" if row["clear"] else "not clear"
        print(f"{name:40} {row['points']:+.2f} +- {row['standard_error']:.2f} (standard error), {clear}")


if __name__ == "__main__":
    main()
