"""Fault-cycles a second of every back end on netlists of Yosys, pruned and not.

    python benchmarks/softerror/engine.py FOLDER [--quick] [--json] [--names b03,b12]

FOLDER holds Yosys JSON netlists, one a file. All configuration bits of each design are run for 1,000
cycles of random inputs, a port called reset high in the first two. One thread; times are of the process
(CPU), the median of the rounds in which the back ends take turns, and include everything between a
compiled design with its list of faults and the rows: the fault-free run, what it activates, batches.
Compiling the design, and building C, are printed apart, as Verilator's building is in oracle.py. "kernel" is
one batch without any of that: as many faults as it takes, lanes without a fault not counted.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vedette.hardware.netlist import read
from vedette.softerror import engine, generated, native, prepared
from vedette.softerror.activation import Users
from vedette.softerror.batch import make_batches
from vedette.softerror.design import Design
from vedette.softerror.faults import FaultColumns
from vedette.softerror.lower import lower
from vedette.softerror.population import Window, population
from vedette.tools import compiler

CYCLES = 1000


def stimulus_for(design: Design) -> np.ndarray:
    """Random values; the reset is high in two cycles."""
    values = np.random.default_rng(1).integers(0, 2, (CYCLES, len(design.input_bits))).astype(np.uint8)
    names = [port.name for port in design.inputs for _ in port.bits]
    for column, name in enumerate(names):
        if name.lower() in ("reset", "rst"):
            values[:, column] = np.arange(CYCLES) < 2
    return values


def cpu_s(call: Callable[[], Any]) -> float:
    """CPU seconds of one call, all threads of the process."""
    start = time.process_time()
    call()
    return time.process_time() - start


def kernel_s(
    design: Design, values: np.ndarray, faults: FaultColumns, words: int, folder: Path | None
) -> float:
    """CPU seconds of one batch that fills every lane it can, unpruned."""
    program = prepared.prepare(design)
    golden = native.run_golden(program, values)
    question = engine.ask(design, golden, values, compare=None, enable=-1, alarms=())
    some = np.arange(min(64 * words, len(faults)))
    (batch,) = make_batches(
        faults, some, Users.of(design), program.flip_flops, words=words, starts=[0], cycles=CYCLES
    )
    parts = generated.functions(program, words, folder=folder) if folder else (0, 0)
    stop = np.zeros(1, np.int32)
    return min(
        cpu_s(lambda: native.run_lanes(program, batch, golden, question, stop, generated=parts))
        for _ in range(5)
    )


def measure(path: Path, backends: list[str], rounds: int, folder: Path) -> dict[str, Any]:
    """All figures of one netlist."""
    design = lower(read(path))
    values = stimulus_for(design)
    every = population("init", design, Window(cycles=CYCLES))
    faults = every.columns(np.arange(every.size))
    row: dict[str, Any] = {"design": path.stem, "faults": len(faults)}
    row["compile_s"] = cpu_s(lambda: prepared.prepare(design))
    program = prepared.prepare(design)
    row["operations"] = program.word_operations
    if "generated" in backends:
        start = time.perf_counter()
        generated.functions(program, engine.generated_words(program.rows))
        row["build_wall_s"] = time.perf_counter() - start
    times: dict[str, list[float]] = {}
    rows = []
    for _ in range(rounds):
        for backend in backends:
            for prune in (False, True):
                prepared.golden_run.cache_clear()
                start = time.process_time()
                found = engine.run(design, values, faults, backend=backend, prune=prune)
                name = f"{backend} {'pruned' if prune else 'unpruned'}"
                times.setdefault(name, []).append(time.process_time() - start)
                rows.append((found.mismatches, found.first, found.last))
    if any(not np.array_equal(a, b) for one in rows for a, b in zip(one, rows[0], strict=True)):
        raise SystemExit(f"{path.stem}: back ends differ")
    work = len(faults) * CYCLES
    row |= {name: work / statistics.median(found) for name, found in times.items()}
    if "native" in backends:
        words = engine.choose_words(len(faults), program.rows + program.memory_bits)
        lanes = min(64 * words, len(faults))
        row["native kernel"] = lanes * CYCLES / kernel_s(design, values, faults, words, None)
    if "generated" in backends:
        words = engine.generated_words(program.rows)
        lanes = min(64 * words, len(faults))
        row["generated kernel"] = lanes * CYCLES / kernel_s(design, values, faults, words, folder)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="netlists, as Yosys' write_json leaves them")
    parser.add_argument("--names", default="b03,b10,b12,b14", help="files, without .json")
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    backends = ["native"] if native.kernel() is not None else ["numpy"]
    if native.kernel() is not None and compiler.available():
        backends.append("generated")
    with tempfile.TemporaryDirectory() as name:
        os.environ["VEDETTE_CACHE"] = name
        found = [
            measure(chosen.folder / f"{one}.json", backends, 1 if chosen.quick else 5, Path(name))
            for one in chosen.names.split(",")
        ]
    if chosen.json:
        print(json.dumps({"targets": native.targets(), "cycles": CYCLES, "rows": found}, indent=1))
        return
    print(f"instructions: {native.targets()}; M fault-cycles/s (CPU, one thread), {CYCLES} cycles")
    for row in found:
        print(f"{row['design']}: {row['faults']} faults, {row['operations']} operations a cycle")
        for key, value in row.items():
            if key not in ("design", "faults", "operations"):
                text = f"{value:9.3f} s" if key.endswith("_s") else f"{value / 1e6:9.0f} M"
                print(f"  {key:22}{text}")


if __name__ == "__main__":
    main()
