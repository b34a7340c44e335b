"""Resources as they are predicted against what Yosys makes, at random sizes that the fit has not seen.

    python benchmarks/hardware/resources.py [--quick] [--json] [--family xcup] [--cache FILE]

Blocks at sizes that were not fitted, memories drawn with seed 1; then whole engines: the sum of their blocks,
as Yosys makes each of them at the sizes of the engine (hierarchy kept), so that 16 lanes are told from 4, 8.
Points without tables (or flip-flops) are left out of the median error of these.
The exit code is 1 where a DSP or block RAM is not met, or where tables or flip-flops are beyond 15 %.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np

from vedette.hardware.characterize import POINTS, Cache
from vedette.hardware.coefficients import block_cells
from vedette.hardware.devices import DEVICES
from vedette.hardware.engine import Engine
from vedette.hardware.resources import parts, resources
from vedette.hardware.rtl.simulate import FOLDER
from vedette.tools.cells import Cells, mapper

MOST = 0.15
ENGINES = [
    Engine(tokens=8, first=512, second=128, chances=64, wide=2048, chunks_most=32, words_most=16),
    Engine(tokens=16, terms=16, first=256, second=64, chances=64, wide=512, chunks_most=64, words_most=32),
]


def points(quick: bool) -> list[tuple[str, dict[str, int]]]:
    """(block, sizes); none of them is among those that were fitted."""
    r = np.random.default_rng(1)
    found: list[tuple[str, dict[str, int]]] = []
    found += [("dot", {"N": n, "PACKED": packed}) for packed in (0, 1) for n in (3, 5, 7)]
    for _ in range(10):
        width, depth = int(r.integers(4, 300)), int(2 ** r.uniform(4, 13))
        found.append(("memory", {"WIDTH": width, "DEPTH": depth}))
    for latency, more in ((4, 2), (7, 1), (3, 1)):
        found += [("slots", {"W": w, "LATENCY": latency, "MORE": more}) for w in (5, 7)]
    found += [("lookup", {"LANES": lanes}) for lanes in (5, 6)]
    if not quick:
        found += [("softmax", {"LANES": int(r.integers(5, 8)), "WORDS_MOST": 16})]
        found += [("layer_norm", {"LANES": 6, "WORDS_MOST": 32})]
        found += [("select", {"LANES": 4, "WORDS_MOST": 16, "ROWS_MOST": 128})]
    return [point for point in found if point[1] not in POINTS.get(point[0], [])]


def row(name: str, sizes: dict[str, Any], said: Cells, made: Cells) -> dict[str, Any]:
    """Predicted and made, and whether the aim was met."""
    found: dict[str, Any] = {"what": name, "sizes": sizes}
    met = said.dsps == made.dsps and said.bram18 == made.bram18
    for kind in ("luts", "ffs", "dsps", "bram18"):
        predicted, yosys_made = getattr(said, kind), getattr(made, kind)
        error = (predicted - yosys_made) / yosys_made if yosys_made else float(predicted != 0)
        found[kind] = {"predicted": predicted, "yosys": yosys_made, "error": round(error, 4)}
        met = met and (kind in ("dsps", "bram18") or abs(error) <= MOST)
    return found | {"met": met}


def text(one: dict[str, Any]) -> str:
    """A line of the table."""
    sizes = ", ".join(f"{key} {value}" for key, value in one["sizes"].items())
    cells = [f"{one['what']} {sizes}"]
    for kind in ("luts", "ffs", "dsps", "bram18"):
        c = one[kind]
        shown = f"{c['predicted']:,} / {c['yosys']:,}"
        cells.append(f"{shown} ({100 * c['error']:+.1f} %)" if kind in ("luts", "ffs") else shown)
    return "| " + " | ".join([*cells, "" if one["met"] else "missed"]) + " |"


def main() -> None:
    """Measure, print, and fail where the aim is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--family", default="xcup")
    parser.add_argument("--quick", action="store_true", help="small blocks only, no engine")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cache", type=Path, help="measured blocks, kept between runs")
    parser.add_argument("--sources", type=Path, default=FOLDER)
    options = parser.parse_args()
    cache = Cache(options.cache)

    def measured(block: str, sizes: dict[str, int]) -> Cells:
        return cache.measure(options.sources, block, [sizes], options.family)[0][0]

    rows = []
    drawn = points(options.quick)
    for block in dict.fromkeys(block for block, _ in drawn):  # small ones go through Yosys together
        cache.measure(
            options.sources, block, [sizes for name, sizes in drawn if name == block], options.family
        )
    for block, sizes in drawn:
        rows.append(row(block, sizes, block_cells(block, sizes, options.family), measured(block, sizes)))
        print(text(rows[-1]), file=sys.stderr, flush=True)
    device = next(device for device in DEVICES.values() if device.family == options.family)
    for engine in [] if options.quick else ENGINES:
        made = Cells()
        for part in parts(engine):
            made += measured(part.block, dict(part.parameters)) * part.instances
        names = ("tokens", "terms", "chunks_most", "words_most", "packed")
        sizes = {name: int(getattr(engine, name)) for name in names}
        rows.append(row("whole engine", sizes, resources(engine, device).total, made))
        print(text(rows[-1]), file=sys.stderr, flush=True)
    summary: dict[str, Any] = {"yosys": mapper(), "family": options.family, "points": len(rows)}
    for kind in ("luts", "ffs"):
        errors = [abs(one[kind]["error"]) for one in rows if one[kind]["predicted"] or one[kind]["yosys"]]
        summary[kind] = {
            "with_any": len(errors),
            "median": round(statistics.median(errors), 4),
            "worst": max(errors),
        }
    for kind in ("dsps", "bram18"):
        summary[kind] = {"exact": sum(one[kind]["error"] == 0 for one in rows)}
    summary["missed"] = [f"{one['what']} {one['sizes']}" for one in rows if not one["met"]]
    if options.json:
        print(json.dumps(summary | {"rows": rows}, indent=1))
    else:
        print("| block | LUT predicted / Yosys | FF | DSP | BRAM18 | |\n|---|---|---|---|---|---|")
        print("\n".join(map(text, rows)))
        print(json.dumps(summary, indent=1))
    sys.exit(bool(summary["missed"]))


if __name__ == "__main__":
    main()
