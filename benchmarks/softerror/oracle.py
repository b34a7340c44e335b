"""The engine beside outside simulators: the same faults and stimulus, one thread each, in one run.

    python benchmarks/softerror/oracle.py [NETLIST.json ...] [--quick] [--json] [--copies N]

Netlists are Yosys' JSON; without one, samples that ship are taken. Verilator gets its best case: one model
for all faults, in two forms of which the faster counts, optimized build, fault-free outputs at hand, no CRC;
neither the build nor reading files nor making a model object for each fault is in its time. Icarus runs
fewer faults and its time is all of vvp. The engine's time is that of the whole call, the fault-free run
included, with pruning and without; compiling the design, and building C for it, are printed apart.
Fault-cycles are faults times cycles, as if none were pruned. "copies" is the paper's flow, one model
translated and compiled for each fault; its seconds a fault are mostly builds. All are CPU seconds. Outcomes
are compared before anything is printed.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from vedette.errors import VedetteError
from vedette.hardware import netlist
from vedette.softerror import engine, generated, oracle, prepared
from vedette.softerror.design import Design
from vedette.softerror.faults import Fault, FaultColumns, FaultKind
from vedette.softerror.lower import lower
from vedette.softerror.outcomes import Outcomes
from vedette.softerror.samples import sample
from vedette.tools import compiler

GOALS = {"b12": (100, 250), "b14": (150, 300)}  # interpreter, generated C: times Verilator
ROUNDS = 5


def stimulus(design: Design, cycles: int) -> np.ndarray:
    """Random inputs, PCG64 seed 1; a port called like a reset is 1 in the first two cycles and 0 after."""
    bits = np.random.default_rng(1).integers(0, 2, (cycles, len(design.input_bits)), dtype=np.uint8)
    column = 0
    for port in design.inputs:
        if "reset" in port.name.lower() or "rst" in port.name.lower():
            bits[:, column] = np.arange(cycles) < 2
        column += len(port.bits)
    return bits


def cpu_s() -> float:
    """CPU seconds of this process and its ended children."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def timed(call: Callable[[], Outcomes], rounds: int) -> tuple[Outcomes, float]:
    """The result, and the median of the CPU seconds of the rounds, after one that is not counted."""
    result, spent = call(), []
    for _ in range(rounds):
        prepared.golden_run.cache_clear()
        began = cpu_s()
        result = call()
        spent.append(cpu_s() - began)
    return result, statistics.median(spent)


def same(ours: Outcomes, theirs: oracle.Run, where: np.ndarray) -> None:
    """Stop where a simulator differs from the engine."""
    for name in ("mismatches", "first", "last"):
        if not np.array_equal(getattr(ours, name)[where], getattr(theirs, name)):
            raise SystemExit(f"{theirs.tool} differs in {name}")


def measure(name: str, design: Design, cycles: int, few: int, copies: int, rounds: int) -> dict[str, object]:
    """One circuit's row: fault-cycles per CPU second of each way, and the ratios to Verilator."""
    bits = stimulus(design, cycles)
    faults = FaultColumns.of(
        [Fault(i, FaultKind.CONFIGURATION, bits=(i,)) for i in range(design.configuration_bits)]
    )
    row: dict[str, object] = {
        "circuit": name,
        "tables": len(design.tables),
        "faults": len(faults),
        "cycles": cycles,
    }
    work = len(faults) * cycles
    began = cpu_s()
    program = prepared.prepare(design)
    row["native build_s"] = cpu_s() - began
    reference: Outcomes | None = None
    for backend in ("native", "generated"):
        if backend == "generated" and compiler.available():
            began = cpu_s()
            generated.functions(program, engine.generated_words(program.rows))
            row["generated build_s"] = cpu_s() - began
        for prune in (False, True):
            way = f"{backend}{' pruned' if prune else ''}"
            try:
                found, spent = timed(
                    lambda b=backend, p=prune: engine.run(design, bits, faults, backend=b, prune=p), rounds
                )
            except VedetteError as error:
                row[way] = None
                print(f"{name}: {way} left out: {error}")
                continue
            row[way] = work / spent
            if reference is None:
                reference = found
            elif not np.array_equal(found.mismatches, reference.mismatches):
                raise SystemExit(f"{way} differs from the first back end")
    if reference is None:
        reference = engine.run(design, bits, faults, backend="numpy")
    best = 0.0
    builds = 0.0
    for form in ("select", "cfg"):
        # spread over the list: cost differs little from fault to fault
        where = np.unique(np.linspace(0, len(faults) - 1, min(len(faults), 4 * few), dtype=int))
        run = oracle.run(design, bits, [faults[i] for i in where], form=form, crcs=False)
        same(reference, run, where)
        row[f"verilator {form}"] = len(where) * cycles / run.run_s
        builds += run.compile_s
        best = max(best, len(where) * cycles / run.run_s)
        row[f"verilator {form} build_s"] = run.compile_s
    where = np.unique(np.linspace(0, len(faults) - 1, min(len(faults), few), dtype=int))
    run = oracle.run(design, bits, [faults[i] for i in where], tool="icarus", crcs=False)
    same(reference, run, where)
    row["icarus"] = len(where) * cycles / run.run_s
    if copies:
        where = np.unique(np.linspace(0, len(faults) - 1, copies, dtype=int))
        began = cpu_s()
        run = oracle.run(design, bits, [faults[i] for i in where], form="copy", crcs=False, optimize="-O0")
        same(reference, run, where)
        row["copies s_per_fault"] = (cpu_s() - began) / (len(where) + 1)  # the fault-free model is one more
    for way in ("native", "native pruned", "generated", "generated pruned"):
        if row.get(way):
            row[f"{way} / verilator"] = float(str(row[way])) / best
    return row


def main() -> None:
    """Measure, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("netlists", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true", help="fewer faults, 200 cycles, one round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument(
        "--copies", type=int, default=0, help="faults for the paper's flow, 5 to 10 CPU-s each"
    )
    options = parser.parse_args()
    cycles, few, rounds = (200, 20, 1) if options.quick else (options.cycles, 100, ROUNDS)
    circuits = {path.stem: lower(netlist.read(path)) for path in options.netlists}
    if not circuits:
        circuits = {"fsm": sample("fsm")} if options.quick else {n: sample(n) for n in ("fsm", "mac", "fifo")}
    scratch = tempfile.TemporaryDirectory()
    os.environ["VEDETTE_CACHE"] = scratch.name  # so that C is built here and its time is seen
    rows = []
    for name, design in circuits.items():
        row = measure(name, design, cycles, few, options.copies, rounds)
        rows.append(row)
        if not options.json:
            print(f"{name}: {row['tables']} tables, {row['faults']} faults x {cycles} cycles, outcomes equal")
            for key, value in row.items():
                if isinstance(value, float):
                    unit = (
                        "x" if "/" in key else " s" if key.endswith(("_s", "fault")) else " M fault-cycles/s"
                    )
                    shown = value / 1e6 if unit.startswith(" M") else value
                    print(f"  {key:<28}{shown:>12.3f}{unit}")
            for way, goal in zip(("native", "generated"), GOALS.get(name, ()), strict=False):
                if (ratio := row.get(f"{way} / verilator")) is not None:
                    met = "met" if float(str(ratio)) >= goal else "MISSED"
                    print(f"  goal, unpruned {way}: {goal}x: {met}")
    scratch.cleanup()
    if options.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
