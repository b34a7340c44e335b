"""The whole suite, growth, threads, memory, and how far the kernel is from what the processor can do.

    python benchmarks/softerror/suite.py FOLDER [--quick] [--json] [--parts suite,growth,threads,memory,limit]

FOLDER holds Yosys JSON netlists of b01 to b15, as `vedette softerror synth` writes them. All times are CPU
seconds of this process but those of `threads`, which are wall seconds too.

suite: every configuration bit x 1,000 cycles with the interpreter, pruned and not; reading and lowering the
netlist, compiling it and listing the faults are in columns of their own and in the sum.
growth: 4,096 faults drawn from made designs of 1,000 to 100,000 tables, unpruned, 200 cycles.
threads: one campaign, unpruned, on 1 and 2 threads.
memory: bytes of the nets for each number of lanes, and what the process grew by.
limit: operations times lanes, 10^9 a second, of the engine; beside it three-input operations of plain vectors
that a C compiler makes, in registers, in the first cache and in the second: what any engine could reach.
"""

import argparse
import ctypes
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from vedette.hardware.netlist import read
from vedette.softerror import engine, native, prepared
from vedette.softerror.design import Design, FlipFlop, Kind, Operation, Port, Table
from vedette.softerror.lower import lower
from vedette.softerror.population import Window, population
from vedette.softerror.stimulus import random_stimulus
from vedette.tools import compiler

CYCLES = 1000
GOAL_SUITE_S = 3.0
SUITE = [f"b{i:02}" for i in range(1, 16)]


def cpu_s(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call gives, and its CPU seconds."""
    start = time.process_time()
    result = call()
    return result, time.process_time() - start


def every_bit(design: Design, cycles: int) -> Any:
    """All configuration faults."""
    these = population("init", design, Window(cycles=cycles))
    return these.columns(np.arange(these.size))


def suite(folder: Path, rounds: int) -> list[dict[str, Any]]:
    """One row a circuit, the median of the rounds, and their sum."""
    rows = []
    for name in SUITE:
        found: dict[str, list[float]] = {}
        for _ in range(rounds):
            design, lower_s = cpu_s(lambda n=name: lower(read(folder / f"{n}.json")))
            stimulus = random_stimulus(design, CYCLES, seed=1)
            faults, list_s = cpu_s(lambda d=design: every_bit(d, CYCLES))
            _, compile_s = cpu_s(lambda d=design: prepared.prepare(d))
            outcomes = {}
            for way, prune in (("pruned_s", True), ("unpruned_s", False)):
                prepared.golden_run.cache_clear()
                outcomes[way], spent = cpu_s(
                    lambda d=design, s=stimulus, f=faults, p=prune: engine.run(
                        d, s, f, backend="native", prune=p
                    )
                )
                found.setdefault(way, []).append(spent)
            if not np.array_equal(outcomes["pruned_s"].mismatches, outcomes["unpruned_s"].mismatches):
                raise SystemExit(f"{name}: pruned and unpruned rows differ")
            for way, spent in (("lower_s", lower_s), ("list_s", list_s), ("compile_s", compile_s)):
                found.setdefault(way, []).append(spent)
        hit = outcomes["pruned_s"]
        row = {"circuit": name, "tables": len(design.tables), "faults": len(faults)}
        row["activated"] = round(float((hit.activated >= 0).mean()), 3)
        row["propagated"] = round(float((hit.mismatches > 0).mean()), 3)
        middle = {way: round(statistics.median(times), 4) for way, times in found.items()}
        middle["compile_s"] = round(found["compile_s"][0], 4)  # later rounds know the tables already
        rows.append(row | middle)
    total = {key: round(sum(row[key] for row in rows), 3) for key in rows[0] if key.endswith("_s")}
    setup = total["lower_s"] + total["list_s"] + total["compile_s"]
    total["all_pruned_s"] = round(setup + total["pruned_s"], 3)
    total["goal_s"], total["met"] = GOAL_SUITE_S, total["all_pruned_s"] < GOAL_SUITE_S
    faults_in_all = sum(row["faults"] for row in rows)
    return [*rows, {"circuit": "sum", "faults": faults_in_all, **total}]


def made_design(tables: int, seed: int = 1) -> Design:
    """Tables of 2 to 6 inputs that read nets made shortly before, a flip-flop behind every fourth."""
    random = np.random.default_rng(seed)
    inputs, flip_flops = 64, tables // 4
    nets = list(range(2, 2 + inputs + flip_flops))
    operations, contents, first = [], [], 0
    for i in range(tables):
        width = int(random.integers(2, 7))
        recent = nets[-512:] if i % 16 else nets
        pins = tuple(int(recent[j]) for j in random.choice(len(recent), width, replace=False))
        operations.append(Operation(Kind.TABLE, len(nets) + 2, pins, i))
        content = int.from_bytes(random.bytes(8), "little") & ((1 << (1 << width)) - 1)
        contents.append(Table(f"t{i}", f"LUT{width}", content, width, first))
        first += 1 << width
        nets.append(len(nets) + 2)
    state = tuple(
        FlipFlop(f"f{i}", "FDRE", q=2 + inputs + i, d=operations[4 * i].out) for i in range(flip_flops)
    )
    outputs = tuple(operation.out for operation in operations[-64:])
    return Design(
        f"made{tables}",
        2 + len(nets),
        (Port("i", tuple(range(2, 2 + inputs))),),
        (Port("o", outputs),),
        tuple(operations),
        tuple(contents),
        state,
        (),
        first,
        "clk",
    )


def growth(sizes: list[int]) -> list[dict[str, Any]]:
    """Time against the number of tables; the faults are as many each time."""
    rows = []
    for tables in sizes:
        design = made_design(tables)
        stimulus = random_stimulus(design, 200, seed=1)
        these = population("init", design, Window(cycles=200))
        chosen = np.sort(np.random.default_rng(1).choice(these.size, min(these.size, 4096), replace=False))
        faults = these.columns(chosen)
        program, compile_s = cpu_s(lambda d=design: prepared.prepare(d))
        _, golden_s = cpu_s(lambda p=program, s=stimulus: native.run_golden(p, s))
        ways = {}
        for way, prune in (("run_s", False), ("pruned_s", True)):
            _, ways[way] = cpu_s(
                lambda d=design, s=stimulus, f=faults, p=prune: engine.run(d, s, f, backend="native", prune=p)
            )
        work = len(faults) * 200
        rows.append(
            {
                "tables": tables,
                "operations": program.word_operations,
                "compile_s": compile_s,
                "golden_s": golden_s,
                **ways,
                "M_fault_cycles_per_s": work / ways["run_s"] / 1e6,
                "G_operations_lanes_per_s": work * program.word_operations / ways["run_s"] / 1e9,
            }
        )
    return rows


def threads(folder: Path, name: str) -> list[dict[str, Any]]:
    """The same campaign on one thread and on two."""
    design = lower(read(folder / f"{name}.json"))
    stimulus, faults = random_stimulus(design, CYCLES, seed=1), every_bit(design, CYCLES)
    rows: list[dict[str, Any]] = []
    for count in (1, 2):
        walls, spent = [], []
        for _ in range(5):
            start = time.perf_counter()
            _, used = cpu_s(
                lambda c=count: engine.run(design, stimulus, faults, backend="native", prune=False, threads=c)
            )
            walls.append(time.perf_counter() - start)
            spent.append(used)
        wall = statistics.median(walls)
        row = {"circuit": name, "threads": count, "wall_s": wall, "cpu_s": statistics.median(spent)}
        rows.append(row | {"speedup": rows[0]["wall_s"] / wall if rows else 1.0})
    return rows


_GROWN = """
import sys
from pathlib import Path
import numpy as np
from vedette.hardware.netlist import read
from vedette.softerror import engine
from vedette.softerror.lower import lower
from vedette.softerror.population import Window, population
from vedette.softerror.stimulus import random_stimulus
design = lower(read(Path(sys.argv[1])))
these = population("init", design, Window(cycles=64))
stimulus, words = random_stimulus(design, 64, seed=1), int(sys.argv[2])
def field(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])
faults = these.columns(np.arange(64 * words))
engine.run(design, stimulus, faults[:64], backend="native", words=4)
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = field("VmRSS")
engine.run(design, stimulus, faults, backend="native", prune=False, words=words)
print(field("VmHWM") - before)
"""


def memory(folder: Path, name: str) -> list[dict[str, Any]]:
    """Bytes against lanes."""
    path = folder / f"{name}.json"
    rows_of_nets = prepared.prepare(lower(read(path))).rows
    found = []
    for words in (8, 16, 64, 256):
        done = subprocess.run(
            [sys.executable, "-c", _GROWN, str(path), str(words)], capture_output=True, text=True, check=True
        )
        found.append(
            {
                "circuit": name,
                "lanes": 64 * words,
                "nets_bytes": rows_of_nets * words * 8,
                "process_grew_bytes": int(done.stdout),
            }
        )
    return found


_LIMIT = """
#include <stdint.h>
typedef uint64_t V __attribute__((vector_size(32), aligned(32)));
/* count operations of three inputs: in registers, or out = f(a, b, c) over rows of a buffer */
void registers(uint64_t *m, long count) {
    V *v = (V *)m, a = v[0], b = v[1], x0 = v[2], x1 = v[3], x2 = v[4], x3 = v[5], x4 = v[6], x5 = v[7];
    for (long i = 0; i < count; i += 6) {
        x0 = (x0 & a) ^ b; x1 = (x1 & a) ^ b; x2 = (x2 & a) ^ b;
        x3 = (x3 & a) ^ b; x4 = (x4 & a) ^ b; x5 = (x5 & a) ^ b;
        __asm__ volatile("" : "+x"(x0), "+x"(x1), "+x"(x2), "+x"(x3), "+x"(x4), "+x"(x5));
    }
    v[2] = x0 ^ x1 ^ x2 ^ x3 ^ x4 ^ x5;
}
void rows(uint64_t *m, long count, long vectors) {
    V *v = (V *)m;
    long third = vectors / 4;
    for (long done = 0; done < count; done += third)
        for (long i = 0; i < third; ++i) v[i + 3 * third] = (v[i] & v[i + third]) ^ v[i + 2 * third];
}
"""


def limit(folder: Path) -> list[dict[str, Any]]:
    """Operations times lanes a second: what plain vectors do, and what the engine does."""
    count, rows = 60_000_000, []
    with tempfile.TemporaryDirectory() as scratch:
        source, library = Path(scratch) / "limit.c", Path(scratch) / "limit.so"
        source.write_text(_LIMIT)
        compiler.shared_library(source, library, ("-O2", "-march=native", "-ftree-vectorize"))
        loaded = ctypes.CDLL(str(library))
        words = np.zeros(1 << 20, np.uint64)
        start = (-words.ctypes.data % 64) // 8
        at = ctypes.c_void_p(words[start:].ctypes.data)
        for where, vectors in (("registers", 0), ("first cache", 768), ("second cache", 16384)):
            times = []
            for _ in range(5):
                call = (
                    (lambda: loaded.registers(at, ctypes.c_long(count)))
                    if not vectors
                    else (lambda v=vectors: loaded.rows(at, ctypes.c_long(count), ctypes.c_long(v)))
                )
                times.append(cpu_s(call)[1])
            rows.append(
                {"what": f"plain vectors, {where}", "G": count * 256 / statistics.median(times) / 1e9}
            )
    for name in ("b12", "b14", "b15"):
        design = lower(read(folder / f"{name}.json"))
        stimulus, faults = random_stimulus(design, CYCLES, seed=1), every_bit(design, CYCLES)
        program = prepared.prepare(design)
        for backend in ("native", "generated"):
            times = []
            for _ in range(4):
                times.append(
                    cpu_s(
                        lambda d=design, s=stimulus, f=faults, b=backend: engine.run(
                            d, s, f, backend=b, prune=False
                        )
                    )[1]
                )
            lanes = len(faults) * CYCLES * program.word_operations
            rows.append({"what": f"{name} {backend}", "G": lanes / statistics.median(times[1:]) / 1e9})
    return rows


def main() -> None:
    """Measure the parts asked for and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", default="suite,growth,threads,memory,limit")
    parser.add_argument("--quick", action="store_true", help="one round, no design of 100,000 tables")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = [100, 1000, 8500] if options.quick else [100, 1000, 8500, 30_000, 100_000]
    every = {
        "suite": lambda: suite(options.folder, 1 if options.quick else 3),
        "growth": lambda: growth(sizes),
        "threads": lambda: [row for name in ("b12", "b14", "b15") for row in threads(options.folder, name)],
        "memory": lambda: memory(options.folder, "b15"),
        "limit": lambda: limit(options.folder),
    }
    found = {name: every[name]() for name in options.parts.split(",")}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if options.json:
        print(json.dumps({"targets": native.targets(), "peak_bytes": peak, **found}, indent=1))
        return
    for name, rows in found.items():
        print(f"{name}:")
        for row in rows:
            shown = (f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items())
            print("  " + ", ".join(shown))


if __name__ == "__main__":
    main()
