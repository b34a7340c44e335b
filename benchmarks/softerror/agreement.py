"""Exact agreement with outside simulators: rows and the CRC-32 of every output of every cycle.

    python benchmarks/softerror/agreement.py FOLDER [--json] [--quick]

FOLDER holds Yosys JSON netlists. Every configuration fault of b01, b02, b03 and b10 and 600 drawn ones of b12
and b14, 1,000 random cycles each, in Verilator; 20 to 60 of them in Icarus. Half of a draw propagates, for
of the others a wrong simulator would say the same. "streams" counts distinct output streams. The exit code
is 1 where one number differs.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from vedette.hardware.netlist import read
from vedette.softerror import engine, oracle
from vedette.softerror.confidence import draw_order
from vedette.softerror.lower import lower
from vedette.softerror.plan import renumbered
from vedette.softerror.population import Window, population
from vedette.softerror.stimulus import random_stimulus

CYCLES = 1000
MOST = {"b12": 600, "b14": 600}
CASES = [(name, "verilator") for name in ("b01", "b02", "b03", "b10", "b12", "b14")]
CASES += [("b03", "icarus"), ("b10", "icarus"), ("b12", "icarus")]
ICARUS = {"b03": 60, "b10": 60, "b12": 20}


def agreement(path: Path, tool: str, most: int | None) -> oracle.Agreement:
    """All faults of a netlist, or so many of them, compared."""
    design = lower(read(path))
    stimulus = random_stimulus(design, CYCLES, seed=1)
    these = population("init", design, Window(cycles=CYCLES))
    faults = these.columns(np.arange(these.size))
    chosen = np.arange(these.size)
    if most is not None:
        wrong = engine.run(design, stimulus, faults).mismatches > 0
        halves = [np.flatnonzero(wrong), np.flatnonzero(~wrong)]
        chosen = np.sort(np.concatenate([h[draw_order(len(h), seed=1, most=most // 2)] for h in halves]))
    some = renumbered([faults[i] for i in chosen.tolist()])
    golden = oracle.crc(engine.stream(design, stimulus))
    rows, crcs = engine.run(design, stimulus, some), engine.crcs(design, stimulus, some)
    return oracle.check(design, stimulus, some, rows, crcs, golden_crc=golden, tool=tool)


def main() -> None:
    """Compare, print, and fail where anything differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true", help="40 faults each")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = []
    for name, tool in CASES:
        most = ICARUS[name] if tool == "icarus" else MOST.get(name)
        found = agreement(options.folder / f"{name}.json", tool, 40 if options.quick else most)
        row = {"circuit": name, "exact": found.exact} | asdict(found)
        row["disagreements"] = [str(one) for one in found.disagreements[:5]]
        rows.append(row)
        if not options.json:
            print(f"{name}: {found}", flush=True)
    if options.json:
        print(json.dumps(rows, indent=1))
    sys.exit(not all(row["exact"] for row in rows))


if __name__ == "__main__":
    main()
