"""What Dask's workers gain a campaign, and what they cost it.

    python benchmarks/softerror/cluster.py [--workers 2] [--faults 400000] [--cycles 20000] [--rounds 3]

Flip-flop upsets of the shipped multiplier-accumulator, drawn, random cycles, nothing pruned. Wall
seconds, the median of rounds in which one process and a local cluster take turns: all of `run_campaign`
with an open cluster, whose start and close are apart. `serial_s` of it no worker shares: what the summary
asks for when the rows are there. Writing the rows is serial too, and not in it. `job_s` is an empty call,
of several hundred. Cores that are shared with other work, or two threads of one core, gain less.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vedette.jobs import HERE, Jobs, open_jobs
from vedette.softerror import engine
from vedette.softerror.campaign import run_campaign
from vedette.softerror.plan import Plan
from vedette.softerror.samples import sample
from vedette.softerror.stimulus import random_stimulus

EMPTY_JOBS = 300


def wall_s(call: Callable[[], object]) -> float:
    """Seconds that a call took."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def campaign_s(jobs: Jobs, faults: int, cycles: int) -> tuple[float, float, bytes]:
    """Seconds of a campaign, seconds of the same once its rows are there, and its rows."""
    design = sample("mac")
    stimulus = random_stimulus(design, cycles, seed=1)
    plan = Plan(faults=("state",), draw=faults)
    use = partial(engine.run, prune=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = wall_s(lambda: run_campaign(design, stimulus, plan, folder, use, jobs=jobs))
        serial = wall_s(lambda: run_campaign(design, stimulus, plan, folder, use, jobs=HERE))
        return whole, serial, (folder / "faults.csv").read_bytes()


def nothing(shared: None, item: int) -> int:
    """An empty job."""
    return item


def measure(workers: int, faults: int, cycles: int, rounds: int) -> dict[str, float]:
    """All figures, medians of the rounds.

    Raises:
        SystemExit: rows differ.
    """
    times: dict[str, list[float]] = {}
    start = time.perf_counter()
    with open_jobs(f"local:{workers}") as there:
        times["start_s"] = [time.perf_counter() - start]
        for _ in range(rounds):
            one, serial, expected = campaign_s(HERE, faults, cycles)
            many, _, rows = campaign_s(there, faults, cycles)
            if rows != expected:
                raise SystemExit("the rows differ")
            empty = wall_s(lambda: list(there.map_unordered(nothing, None, range(EMPTY_JOBS))))
            for name, value in {
                "one_process_s": one,
                "workers_s": many,
                "serial_s": serial,
                "job_s": empty / EMPTY_JOBS,
            }.items():
                times.setdefault(name, []).append(value)
        start = time.perf_counter()
    times["close_s"] = [time.perf_counter() - start]
    found = {name: statistics.median(values) for name, values in times.items()}
    return found | {"gain": found["one_process_s"] / found["workers_s"]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--faults", type=int, default=400_000)
    parser.add_argument("--cycles", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args()
    about = {"workers": chosen.workers, "cores": os.cpu_count(), "faults": chosen.faults}
    about["cycles"] = chosen.cycles
    found = measure(chosen.workers, chosen.faults, chosen.cycles, chosen.rounds)
    if chosen.json:
        print(json.dumps(about | {name: round(value, 4) for name, value in found.items()}, indent=1))
        return
    for name, value in (about | found).items():
        print(f"{name:16}{value:>12,.4g}" if isinstance(value, float) else f"{name:16}{value:>12,}")


if __name__ == "__main__":
    main()
