"""Normalization of 8-bit matrices, L1 and L2, beside torch's in float32 and bfloat16: forward.

    taskset -c 0 python benchmarks/lowbit/norms.py [--quick] [--json] [--threads 1]

Ours is int8 to int8: statistics in integers, one map. torch's is the best of float32 and bfloat16, and for
batches of NCHW and channels-last order. Outputs of ours are memory that is used again; torch's allocator is
left as it is. Ways in turn, the second of two calls each, medians; one thread: CPU seconds of the thread,
several: wall seconds.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from vedette.numerics import norm8

LAYERS = [(256, 768), (4096, 768), (8320, 128)]  # tokens, width
BATCHES = [(32, 64, 32), (64, 128, 16), (128, 16, 32)]  # batch, channels, side


def ours(x: np.ndarray, *, rows: bool, squared: bool) -> np.ndarray:
    """Statistics, then the map to integers of a step that the statistics bound."""
    found = norm8.statistics(x, rows=rows, squared=squared, threads=torch.get_num_threads())
    m = found.deviations / found.count
    inverse = (16 / np.maximum(np.sqrt(m) if squared else m, 1e-3)).astype(np.float32)
    others = x.shape[1]
    gain = {"gain": GAIN[:others], "offset": OFFSET[:others]} if rows else {}
    return norm8.apply(x, inverse, -found.means * inverse, rows=rows, threads=torch.get_num_threads(), **gain)


GAIN, OFFSET = np.ones(4096, np.float32), np.zeros(4096, np.float32)


def ways(shape: tuple[int, ...], *, rows: bool) -> dict[str, Callable[[], Any]]:
    """What is timed, by name."""
    random = np.random.default_rng(1)
    if rows:
        tokens, width = shape
        x = random.integers(-127, 128, (tokens, width)).astype(np.int8)
        one, zero = torch.ones(width), torch.zeros(width)
        calls = {}
        for dtype in (torch.float32, torch.bfloat16):
            args = (torch.from_numpy(x).to(dtype), (width,), one.to(dtype), zero.to(dtype))
            calls[f"torch {dtype}"] = lambda a=args: torch.nn.functional.layer_norm(*a)
    else:
        batch, channels, side = shape
        x = random.integers(-127, 128, (batch * side * side, channels)).astype(np.int8)
        one, zero = torch.ones(channels), torch.zeros(channels)
        image = torch.from_numpy(x).reshape(batch, side, side, channels).permute(0, 3, 1, 2)
        calls = {}
        for dtype in (torch.float32, torch.bfloat16):
            for layout in (torch.contiguous_format, torch.channels_last):
                args = (image.to(dtype).contiguous(memory_format=layout), None, None, one, zero, True)
                calls[f"torch {dtype} {layout}"] = lambda a=args: torch.nn.functional.batch_norm(*a)
    calls["l1"] = lambda: ours(x, rows=rows, squared=False)
    calls["l2"] = lambda: ours(x, rows=rows, squared=True)
    return calls


def measure(shape: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """10^9 values a second of each way, and ratios to the best of torch's."""
    rows = len(shape) == 2
    calls = ways(shape, rows=rows)
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            call()
            start = clock()
            call()
            times[name].append(clock() - start)
    count = np.prod(shape) if rows else shape[0] * shape[1] * shape[2] ** 2
    rates = {name: float(count) / statistics.median(t) / 1e9 for name, t in times.items()}
    best = max(rate for name, rate in rates.items() if name.startswith("torch"))
    if rows:
        kind = f"LayerNorm {shape[0]} x {shape[1]}"
    else:
        kind = f"BatchNorm {shape[0]} x {shape[1]} x {shape[2]}^2"
    return {
        "kind": kind,
        **rates,
        "l1 / best torch": rates["l1"] / best,
        "l2 / best torch": rates["l2"] / best,
        "l1 / l2": rates["l1"] / rates["l2"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one shape of each, few rounds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shapes = [*LAYERS[:1], *BATCHES[:1]] if options.quick else [*LAYERS, *BATCHES]
    found = [measure(shape, 5 if options.quick else 31) for shape in shapes]
    if options.json:
        print(json.dumps({"unit": "10^9 values a second", "rows": found}, indent=1))
        return
    for row in found:
        print(", ".join(f"{k} {v:.2f}" if isinstance(v, float) else str(v) for k, v in row.items()))


if __name__ == "__main__":
    main()
