"""How far a campaign's numbers can be trusted: over cycles, over stimuli, and output by output.

The rows hold the shares of every shorter run exactly, for a short run is the beginning of a long one.
Mean scores do not follow from rows: a sample of the faults is run again over fewer cycles.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from vedette.softerror import score
from vedette.softerror.confidence import draw_order, wilson
from vedette.softerror.design import Design
from vedette.softerror.faults import Fault
from vedette.softerror.plan import Bits, Compared, Engine, Plan, faults_of_ids, renumbered
from vedette.softerror.population import Window, population
from vedette.softerror.rows import Rows

CURVE_FAULTS = 4096  # most, for the mean score of shorter runs
OUTPUT_FAULTS = 1024  # most, for the shares of single outputs


def _chosen(design: Design, plan: Plan, rows: Rows, which: Int64[np.ndarray, " n"], most: int) -> list[Fault]:
    """The faults of at most `most` of these rows, drawn."""
    order = draw_order(len(which), seed=plan.seed, most=most)
    ids = rows.number[which[order]].tolist()
    return renumbered(faults_of_ids(design, plan, rows.cycles, sorted(ids)))


def output_shares(
    design: Design, stimulus: Bits, plan: Plan, rows: Rows, engine: Engine, asked: Compared
) -> list[dict[str, Any]]:
    """For each compared output port: which share of the propagating faults reaches it, and how often."""
    hits = np.flatnonzero(rows.count > 0)
    faults = _chosen(design, plan, rows, hits, OUTPUT_FAULTS)
    result = []
    for port in design.outputs:
        bits = [bit for bit in port.bits if bit in asked.outputs]
        if not bits:
            continue
        share = mean = 0.0
        if faults:
            found = engine(design, stimulus, faults, compare=bits, enable=asked.enable, alarms=())
            share = float((found.mismatches > 0).mean())
            mean = float(found.mismatches.mean()) / rows.cycles
        result.append(
            {"name": port.name, "bits": len(bits), "faults": len(faults), "share": share, "mean": mean}
        )
    return result


def curve(
    design: Design, stimulus: Bits, plan: Plan, rows: Rows, engine: Engine, asked: Compared
) -> list[dict[str, Any]]:
    """What shorter runs would have said: shares of all rows, and the mean score of at most 4,096 of them.

    The interval is that of the propagated share as an estimate for the population; it is closed where all
    faults were run, and says nothing about other stimuli.
    """
    cycles = [c for c in curve_cycles(rows.cycles) if c < rows.cycles]
    everything = np.arange(len(rows))
    faults = _chosen(design, plan, rows, everything, CURVE_FAULTS) if cycles else []
    window = Window(rows.cycles, plan.start, plan.scrub_cycles, plan.seed)
    size = sum(population(name, design, window).size for name in plan.faults)
    result = []
    for c, (activated, propagated) in zip(
        (*cycles, rows.cycles), score.propagated_by(rows, (*cycles, rows.cycles)), strict=True
    ):
        mean = None
        if c == rows.cycles:
            mean = float(score.scores(rows).mean())
        elif c in _decades(rows.cycles):
            early = [fault for fault in faults if fault.start < c]
            found = engine(design, stimulus[:c], early, compare=asked.outputs, enable=asked.enable, alarms=())
            mean = float(found.mismatches.sum()) / c / len(faults)
        low, high = wilson(round(propagated * len(rows)), len(rows), size)
        result.append(
            {
                "cycles": c,
                "activated": activated,
                "propagated": propagated,
                "interval_95": [low, high],
                "mean_score": mean,
            }
        )
    return result


def curve_cycles(cycles: int) -> list[int]:
    """1, 2 and 5 times powers of ten from 10 on, and the whole run.

    >>> curve_cycles(130)
    [10, 20, 50, 100, 130]
    """
    steps = (m * 10**power for power in range(1, 12) for m in (1, 2, 5))
    return [*_until(steps, cycles), cycles]


def _until(steps: Iterator[int], end: int) -> Iterator[int]:
    for step in steps:
        if step >= end:
            return
        yield step


def _decades(cycles: int) -> set[int]:
    """Powers of ten of at most a fifth of the run: together they cost less than a quarter of it."""
    return {10**power for power in range(2, 12) if 10**power * 5 <= cycles}


def spread(first: Rows, others: Sequence[Rows]) -> dict[str, Any]:
    """How the scores of runs with other stimuli differ from those of the first.

    Ranks are compared by Spearman's coefficient of the cells' mean scores; runs that drew until an
    interval closed may hold unequal faults, and are compared over the cells they share.
    """
    runs = [first, *others]
    means = [float(score.scores(rows).mean()) for rows in runs]
    shares = [score.propagating(rows) / len(rows) for rows in runs]
    cells = [{group.name: group.mean for group in score.by_cell(rows)} for rows in runs]
    return {
        "runs": len(runs),
        "mean_score": means,
        "mean_score_sd": float(np.std(means, ddof=1)),
        "propagated": shares,
        "propagated_sd": float(np.std(shares, ddof=1)),
        "rank_correlation": [_spearman(cells[0], other) for other in cells[1:]],
    }


def _spearman(a: dict[str, float], b: dict[str, float]) -> float | None:
    """Rank correlation over common keys, equal values sharing their mean rank; None where undefined."""
    names = sorted(a.keys() & b.keys())
    ranks = [_ranks(np.array([values[name] for name in names])) for values in (a, b)]
    if len(names) < 2 or any(np.ptp(rank) == 0 for rank in ranks):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + ends - 1) / 2)[inverse]
