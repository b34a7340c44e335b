"""What rows say together: scores of cells, modules and source lines, histograms, latencies.

A fault's score is the fraction of cycles in which a compared output was wrong, 0 to 1. The paper's own
formula could not be read; this one is ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from vedette.errors import UnknownNameError
from vedette.softerror.rows import VERDICTS, WRONG, Rows, Verdict

BINS = 10


@dataclass(frozen=True)
class Group:
    """Scores of the faults of one cell, module, source line, ...

    Attributes:
        faults: how many rows.
        propagated: how many of them have a score above 0.
        total, mean, most: sum, mean and largest score.
    """

    name: str
    faults: int
    propagated: int
    total: float
    mean: float
    most: float


@dataclass(frozen=True)
class Histogram:
    """How many scores fall in each bin: exactly 0 apart, then (0, 0.1], (0.1, 0.2], ... (0.9, 1]."""

    zero: int
    bins: tuple[int, ...]

    def labels(self) -> tuple[str, ...]:
        """Of `zero` and of each bin.

        >>> Histogram(0, (0,) * 10).labels()[:3]
        ('0', '0-0.1', '0.1-0.2')
        """
        return "0", *(f"{i / BINS:g}-{(i + 1) / BINS:g}" for i in range(BINS))


def scores(rows: Rows) -> Float[np.ndarray, " n"]:
    """score_f of each fault: wrong cycles over all cycles."""
    return rows.count / float(rows.cycles)


def histogram(values: Float[np.ndarray, " n"]) -> Histogram:
    """The bins of scores between 0 and 1; a score on an edge, such as 0.1, belongs to the lower bin.

    >>> histogram(np.array([0.0, 0.1, 0.1001, 1.0])).bins
    (1, 1, 0, 0, 0, 0, 0, 0, 0, 1)
    """
    above = values[values > 0]
    # 1e-9: 0.3 * 10 is a little more than 3 in floats, and one cycle of 10^8 is more than that
    which = np.clip(np.ceil(above * BINS - 1e-9).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(which, minlength=BINS)
    return Histogram(len(values) - len(above), tuple(counts.tolist()))


def by_cell(rows: Rows) -> list[Group]:
    """Groups of one cell: a table or a flip-flop."""
    return groups(rows, rows.cell)


def by_module(rows: Rows) -> list[Group]:
    """Groups of one module: the hierarchy above the cell; "" is the top itself."""
    return groups(rows, rows.module)


def by_source_line(rows: Rows) -> list[Group]:
    """Groups of one line of HDL: a cell counts at the first line of the last place its source names.

    Yosys writes all places a cell came from, "a.v:3.1-3.9|b.v:7.5-9.8"; only files of the user's count
    where there are some, not Yosys' own library.
    """
    return groups(rows, [source_line(source) for source in rows.source])


def source_line(source: str) -> str:
    """File and first line of a source attribute; "" where there is none.

    >>> source_line("b03.v:17.3-20.6|/usr/share/yosys/xilinx/ff_map.v:68.41-68.95")
    'b03.v:17'
    """
    places = [place for place in source.split("|") if place]
    own = [place for place in places if "/share/" not in place and "techmap" not in place] or places
    found = re.match(r"(.*?:\d+)", own[0]) if own else None
    return found[1] if found else ""


def groups(rows: Rows, names: Sequence[str]) -> list[Group]:
    """Rows of equal name together, the largest total first, equal ones by name."""
    if not len(rows):
        return []
    unique, inverse = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    value = scores(rows)
    counts = np.bincount(inverse)
    total = np.bincount(inverse, weights=rows.count) / rows.cycles  # whole numbers: exact in any order
    wrong = np.bincount(inverse, weights=rows.count > 0).astype(int)
    most = np.zeros(len(unique))
    np.maximum.at(most, inverse, value)
    made = [
        Group(str(name), int(n), int(hit), float(t), float(t / n), float(m))
        for name, n, hit, t, m in zip(unique, counts, wrong, total, most, strict=True)
    ]
    return sorted(made, key=lambda group: (-group.total, group.name))


def ranking(rows: Rows, *, by: str = "cell", most: int | None = None) -> list[Group]:
    """The groups that matter most, by total score.

    Args:
        by: "cell", "module" or "line".

    Raises:
        UnknownNameError: another word.
    """
    ways = {"cell": by_cell, "module": by_module, "line": by_source_line}
    if by not in ways:
        raise UnknownNameError("ranking", by, ways)
    return ways[by](rows)[:most]


def histograms(rows: Rows) -> dict[str, Histogram]:
    """The three histograms: of faults, of the mean of each cell, of the mean of each module."""
    return {
        "fault": histogram(scores(rows)),
        "cell": histogram(np.array([group.mean for group in by_cell(rows)])),
        "module": histogram(np.array([group.mean for group in by_module(rows)])),
    }


def histogram_csv(rows: Rows) -> str:
    """The three histograms as text, a line a bin."""
    found = histograms(rows)
    columns = zip(*((h.zero, *h.bins) for h in found.values()), strict=True)
    lines = [
        f"{label},{','.join(map(str, counts))}\n"
        for label, counts in zip(found["fault"].labels(), columns, strict=True)
    ]
    return "score,faults,cells,modules\n" + "".join(lines)


def verdicts(rows: Rows) -> dict[str, int]:
    """How many rows have each verdict; those that cannot occur are left out."""
    with_alarms = (Verdict.DETECTED, Verdict.UNDETECTED, Verdict.LATENT, Verdict.ALARM_ONLY)
    without = (Verdict.MASKED, Verdict.PROPAGATED)
    left_out = without if rows.alarmed is not None else with_alarms
    counts = np.bincount(rows.verdict, minlength=len(VERDICTS)).tolist()
    return {v.value: counts[i] for i, v in enumerate(VERDICTS) if v not in left_out}


def latencies(rows: Rows) -> Int64[np.ndarray, " m"]:
    """Cycles from first activation to first wrong output, of the faults that have both."""
    reached = (rows.first >= 0) & (rows.activated >= 0)
    return (rows.first - rows.activated)[reached]


def propagated_by(rows: Rows, cycles: Sequence[int]) -> list[tuple[float, float]]:
    """Shares of faults activated, and propagated, within the first so many cycles.

    Exact: a shorter run is the beginning of a longer one.
    """
    n = max(len(rows), 1)
    activated, first = np.sort(rows.activated[rows.activated >= 0]), np.sort(rows.first[rows.first >= 0])
    return [(int(np.searchsorted(activated, c)) / n, int(np.searchsorted(first, c)) / n) for c in cycles]


def propagating(rows: Rows) -> int:
    """How many faults made a compared output wrong."""
    return int(rows.is_(*WRONG).sum())
