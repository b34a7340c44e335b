"""rANS against constriction 0.5 with symbols grouped by table, and against the ideal entropy.

    python benchmarks/kernels/rans.py [--quick] [--json]

Both coders work on the same symbols in the same run, taking turns, one thread each. Symbols are those
of zero-mean Gaussians whose scales differ from symbol to symbol, 64 tables from 0.11 to 60. Times
include all that a codec must do between arrays and bytes: for constriction, sorting the symbols by
table and putting them back; it does not carry the values of escaped symbols, which favors it. Size is
compared with the entropy of the untrimmed Gaussians, -log2 of each symbol's own probability.
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import constriction
import numpy as np

from vedette.bitstream import rans
from vedette.bitstream.tables import TOTAL, gaussian_tables

SCALES = np.exp(np.linspace(np.log(0.11), np.log(60), 64))
TABLES = gaussian_tables(SCALES)
GOALS = {"encode_ratio": 8.0, "decode_ratio": 6.0, "size_excess_percent": 0.1}


def source(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Symbols and table ids; small scales are the common ones, as in a latent image."""
    random = np.random.default_rng(seed)
    ids = np.clip(random.normal(18, 12, count), 0, 63).astype(np.int32)
    return np.rint(random.normal(size=count) * SCALES[ids]).astype(np.int32), ids


def ideal_bytes(symbols: np.ndarray, ids: np.ndarray) -> float:
    """Entropy coder's bound: the sum of -log2 P(symbol) under untrimmed Gaussians, in bytes."""
    bits = 0.0
    for table, scale in enumerate(SCALES.tolist()):
        sizes, counts = np.unique(np.abs(symbols[ids == table]), return_counts=True)
        for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
            low, high = (size - 0.5) / scale / 2**0.5, (size + 0.5) / scale / 2**0.5
            mass = math.erf(high) if size == 0 else (math.erfc(low) - math.erfc(high)) / 2
            bits -= count * math.log2(mass)
    return bits / 8


class Grouped:
    """constriction's ANS coder with one fixed categorical model a table, one call a table."""

    def __init__(self) -> None:
        model = constriction.stream.model.Categorical
        rows = [np.diff(TABLES.of(table)) / TOTAL for table in range(len(TABLES))]
        self.models = [model(row.astype(np.float64), perfect=False) for row in rows]
        self.escape = np.diff(TABLES.starts) - 2

    def encode(self, symbols: np.ndarray, ids: np.ndarray) -> np.ndarray:
        order = np.argsort(ids, kind="stable")
        grouped = ids[order]
        bins = symbols[order] - TABLES.firsts[grouped]
        escape = self.escape[grouped]
        bins = np.where((bins < 0) | (bins > escape), escape, bins).astype(np.int32)
        edges = np.searchsorted(grouped, np.arange(len(TABLES) + 1))
        coder = constriction.stream.stack.AnsCoder()
        for table in range(len(TABLES) - 1, -1, -1):
            if edges[table + 1] > edges[table]:
                coder.encode_reverse(bins[edges[table] : edges[table + 1]], self.models[table])
        return coder.get_compressed()

    def decode(self, words: np.ndarray, ids: np.ndarray) -> np.ndarray:
        order = np.argsort(ids, kind="stable")
        edges = np.searchsorted(ids[order], np.arange(len(TABLES) + 1))
        coder = constriction.stream.stack.AnsCoder(words)
        symbols = np.empty(len(ids), dtype=np.int32)
        for table in range(len(TABLES)):
            count = int(edges[table + 1] - edges[table])
            if count:
                bins = coder.decode(self.models[table], count)
                symbols[order[edges[table] : edges[table + 1]]] = bins + TABLES.firsts[table]
        return symbols


def ours(data: bytes, ids: np.ndarray) -> np.ndarray:
    decoder = rans.Decoder(data, TABLES)
    symbols = decoder.decode(ids)
    decoder.finish()
    return symbols


def measure(count: int, rounds: int) -> dict[str, Any]:
    """Rates in million symbols a second: median, least and most over the rounds."""
    symbols, ids = source(count, seed=0)
    grouped = Grouped()
    times: dict[str, list[float]] = {}

    def timed(name: str, call: Callable[..., Any], *args: Any) -> Any:
        began = time.perf_counter()
        result = call(*args)
        times.setdefault(name, []).append(time.perf_counter() - began)
        return result

    for _ in range(rounds):
        words = timed("constriction_encode", grouped.encode, symbols, ids)
        data = timed("encode", rans.encode, symbols, ids, TABLES)
        theirs = timed("constriction_decode", grouped.decode, words, ids)
        decoded = timed("decode", ours, data, ids)
        assert np.array_equal(decoded, symbols)
        assert np.mean(theirs != symbols) < 1e-4  # escaped values are not in its stream
    rates = {name: [count / seconds / 1e6 for seconds in sorted(values)] for name, values in times.items()}
    medians = {name: float(np.median(values)) for name, values in rates.items()}
    ideal = ideal_bytes(symbols, ids)
    return {
        "symbols": count,
        "ideal_bits_per_symbol": 8 * ideal / count,
        "bytes": len(data),
        "size_excess_percent": 100 * (len(data) / ideal - 1),
        "constriction_size_excess_percent": 100 * (4 * len(words) / ideal - 1),
        "msymbols_per_s": {n: {"median": medians[n], "least": r[-1], "most": r[0]} for n, r in rates.items()},
        "encode_ratio": medians["encode"] / medians["constriction_encode"],
        "decode_ratio": medians["decode"] / medians["constriction_decode"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="under a minute on two cores")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results: dict[str, Any] = {
        "native": rans.native_available(),
        "constriction": version("constriction"),
        "goals": GOALS,
        "runs": [measure(count, 9 if options.quick else 25) for count in (100_000, 1_000_000)],
    }
    if not options.quick:
        results["runs"].append(measure(10_000_000, 7))
    if options.json:
        print(json.dumps(results, indent=1))
        return
    print(f"native {results['native']}, constriction {results['constriction']}; million symbols per second")
    for run in results["runs"]:
        print(f"\n{run['symbols']:,} symbols, {run['ideal_bits_per_symbol']:.3f} bit each")
        for name, rate in run["msymbols_per_s"].items():
            print(f"  {name:<20} {rate['median']:8.1f}  ({rate['least']:.1f} to {rate['most']:.1f})")
        print(f"  ratio                encode {run['encode_ratio']:.1f}x, decode {run['decode_ratio']:.1f}x")
        print(f"  above ideal entropy  {run['size_excess_percent']:+.3f} %", end="")
        print(f" (constriction {run['constriction_size_excess_percent']:+.3f} %)")


if __name__ == "__main__":
    main()
