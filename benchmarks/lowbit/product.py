"""The 8-bit product beside torch's, and beside what the instructions can do at most.

    python benchmarks/lowbit/product.py [--quick] [--json] [--threads 1]

Square matrices; ours includes packing b at every call. Peers take turns with it, round after round, the
second of two calls each: torch.mm in float32 and bfloat16, with b as (k, n) and as the transposed view of (n,
k), of which the faster counts, torch._int_mm likewise, and float16 as float32, for native float16 is a scalar
loop on processors without it. One thread: CPU seconds of the thread; several: wall seconds. Medians, and the
least beside them. "peak" is a loop of VPDPBUSD in registers, compiled here, on one thread.
"""

import argparse
import ctypes
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vedette.numerics import product8
from vedette.tools import compiler

_PEAK = """
#include <immintrin.h>
__attribute__((target("avx512f,avx512vnni"))) int peak(long count) {
    __m512i a = _mm512_set1_epi8(3), b = _mm512_set1_epi8(5), z = _mm512_setzero_si512();
    __m512i s = z, t = z, u = z, v = z, w = z, x = z, y = z;
    for (long n = 0; n < count; n += 8) {
#define STEP(q) q = _mm512_dpbusd_epi32(q, a, b);
        STEP(s) STEP(t) STEP(u) STEP(v) STEP(w) STEP(x) STEP(y) STEP(z)
        __asm__ volatile("" : "+v"(s), "+v"(t), "+v"(u), "+v"(v), "+v"(w), "+v"(x), "+v"(y), "+v"(z));
    }
    s = _mm512_add_epi32(_mm512_add_epi32(s, t), _mm512_add_epi32(u, v));
    w = _mm512_add_epi32(_mm512_add_epi32(w, x), _mm512_add_epi32(y, z));
    return _mm512_cvtsi512_si32(_mm512_add_epi32(s, w));
}
"""


def seconds(call: Callable[[], Any], clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start


def peak(clock: Callable[[], float]) -> float:
    """10^9 operations a second of VPDPBUSD; 64 multiplications and additions each."""
    count = 40_000_000
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "peak.c", Path(folder) / "peak.so"
        source.write_text(_PEAK)
        compiler.shared_library(source, library, ("-O2",))
        loop = ctypes.CDLL(str(library)).peak
        best = min(seconds(lambda: loop(ctypes.c_long(count)), clock) for _ in range(9))
    return 128 * count / best / 1e9


def peers(size: int, threads: int) -> dict[str, Callable[[], Any]]:
    """Ways to multiply, by name; the same matrices."""
    random = np.random.default_rng(size)
    a8, b8 = (random.integers(-127, 128, (size, size)).astype(np.int8) for _ in range(2))
    ta, tb = torch.from_numpy(a8), torch.from_numpy(b8)
    ways: dict[str, Callable[[], Any]] = {"ours": lambda: product8.product(a8, b8, threads=threads)}
    for layout, right in (("kn", tb.t().contiguous()), ("nk", tb.t())):
        ways[f"int_mm {layout}"] = lambda r=right: torch._int_mm(ta, r)
        for name, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
            x, y = ta.to(dtype), right.to(dtype)
            ways[f"{name} {layout}"] = lambda u=x, v=y: torch.mm(u, v)
        x, y = ta.half(), right.half()
        ways[f"float16 as float32 {layout}"] = lambda u=x, v=y: torch.mm(u.float(), v.float()).half()
    if not np.array_equal(ways["ours"](), torch._int_mm(ta, tb.t()).numpy()):
        raise SystemExit("the products differ")
    return ways


def measure(size: int, threads: int, rounds: int) -> dict[str, Any]:
    """10^9 operations a second of each way, and the ratios."""
    clock = time.thread_time if threads == 1 else time.perf_counter
    ways = peers(size, threads)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        call()
    for _ in range(rounds):
        for name, call in ways.items():
            call()  # what ran before filled the caches with its own
            times[name].append(seconds(call, clock))
    work = 2 * size**3 / 1e9
    row: dict[str, Any] = {"size": size, "threads": threads}
    for name in ("ours", "int_mm", "bfloat16", "float32", "float16 as float32"):
        best = min(
            (t for way, t in times.items() if way.startswith(name + " ") or way == name),
            key=statistics.median,
        )
        row[name] = work / statistics.median(best)
        row[f"{name} best"] = work / min(best)
    for name in ("int_mm", "bfloat16", "float32", "float16 as float32"):
        row[f"ours / {name}"] = row["ours"] / row[name]
    return row


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="512 alone, few rounds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes, rounds = ([512], 5) if options.quick else ([512, 1024, 2048], 15)
    rows = [measure(size, options.threads, rounds) for size in sizes]
    most = peak(time.thread_time) if product8.targets()[-1:] == ("avx512vnni",) else None
    if options.json:
        print(json.dumps({"targets": product8.targets(), "peak_one_thread": most, "rows": rows}, indent=1))
        return
    print(f"instructions {product8.targets()}, peak of one thread {most and round(most)} GOP/s")
    for row in rows:
        print(", ".join(f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))


if __name__ == "__main__":
    main()
