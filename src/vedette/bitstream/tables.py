"""Integer tables of cumulative frequencies: what a symbol costs, the same on every machine.

Probabilities become integers once, where weights are made; the integers ship with the weights, and no
float takes part in coding. Tables are trimmed: what is rarer than a table's bins is coded as its last
bin, the escape, and its value kept beside the stream.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float64, Int32, Int64, UInt16

from vedette.errors import InputError

PRECISION_BITS = 16
TOTAL = 1 << PRECISION_BITS
TAIL_MASS = 2e-5  # of a Gaussian table, left to the escape
SCALE_MOST = 2048.0
BUCKETS = 256  # per table: where a decoder starts its search
_MASS_BITS = 40  # of the integers that probabilities are rounded to
_DAMAGED = "the weights file is damaged"


@dataclass(frozen=True, eq=False)
class Tables:
    """Tables one after the other; each runs from 0 to 65536, strictly increasing.

    Args:
        cdf: all cumulative frequencies; a table of n bins has n + 1 entries.
        starts: where each table begins in `cdf`, and the end: count + 1 values.
        firsts: the symbol of each table's first bin. The last bin of a table is the escape.

    The arrays are copied and locked, so that what was checked here holds for the coder.

    Raises:
        InputError: the arrays do not form tables.

    >>> tables = tables_from_pmf([np.array([0.5, 0.5])], [-1])
    >>> tables.cdf.tolist(), tables.firsts.tolist()
    ([0, 32767, 65535, 65536], [-1])
    """

    cdf: Int32[np.ndarray, " entries"]
    starts: Int32[np.ndarray, " ends"]
    firsts: Int32[np.ndarray, " count"]
    buckets: UInt16[np.ndarray, "count 256"] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("cdf", "starts", "firsts"):
            self._lock(name, np.array(getattr(self, name), dtype=np.int32, order="C"))
        starts = self.starts.astype(np.int64)
        if (
            not len(self)
            or len(starts) != len(self) + 1
            or starts[0] != 0
            or starts[-1] != len(self.cdf)
            or (np.diff(starts) < 2).any()
        ):
            raise InputError("table starts do not span the frequencies", hint=_DAMAGED)
        if (self.firsts + np.diff(starts) > 2**31 - 1).any():
            raise InputError("a table's symbols do not fit 32 bits", hint=_DAMAGED)
        buckets = np.zeros((len(self), BUCKETS), dtype=np.uint16)
        slots = np.arange(BUCKETS) * (TOTAL // BUCKETS)
        for table in range(len(self)):
            cdf = self.of(table)
            if cdf[0] != 0 or cdf[-1] != TOTAL or (cdf[1:] <= cdf[:-1]).any():
                raise InputError(f"table {table} does not rise from 0 to {TOTAL}", hint=_DAMAGED)
            buckets[table] = np.searchsorted(cdf, slots, side="right") - 1
        self._lock("buckets", buckets)

    def _lock(self, name: str, values: np.ndarray) -> None:
        values.setflags(write=False)
        object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.firsts)

    def of(self, table: int) -> Int32[np.ndarray, " entries_of_one"]:
        """The cumulative frequencies of one table."""
        row: np.ndarray = self.cdf[self.starts[table] : self.starts[table + 1]]
        return row


def tables_from_pmf(pmfs: Sequence[Float[np.ndarray, "..."]], firsts: Sequence[int]) -> Tables:
    """Tables with the given probabilities; what they leave of 1 goes to the escape.

    Args:
        pmfs: each 1-D, below 32,767 bins, not negative; a sum above 1 is scaled to 1.
        firsts: the symbol of each one's first bin.

    Raises:
        InputError: a probability is negative or not finite, all are zero, or there are too many.

    >>> np.diff(tables_from_pmf([np.array([0.25, 0.5])], [0]).cdf).tolist()
    [16384, 32768, 16384]
    """
    if len(pmfs) != len(firsts) or not pmfs:
        raise InputError(
            f"{len(pmfs)} tables and {len(firsts)} first symbols", hint="give one of each, at least one"
        )
    rows = []
    for pmf in pmfs:
        mass = np.asarray(pmf, dtype=np.float64)
        if not np.isfinite(mass).all() or (mass < 0).any() or mass.sum() <= 0:
            raise InputError("probabilities must be finite, not negative, and not all zero")
        if len(mass) >= TOTAL // 2 - 1:
            raise InputError(f"a table of {len(mass)} bins", hint="trim it below 32,767; the rest escapes")
        mass = np.append(mass, max(0.0, 1.0 - float(mass.sum())))
        rows.append(np.concatenate([[0], np.cumsum(_frequencies(mass / mass.sum()))]))
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Tables(
        np.concatenate(rows).astype(np.int32), starts.astype(np.int32), np.array(firsts, dtype=np.int32)
    )


def _frequencies(mass: Float64[np.ndarray, " bins"]) -> Int64[np.ndarray, " bins"]:
    """Integers of sum 65536, at least 1 each. What is left over goes to the largest remainders; what the
    least of 1 takes too much comes from the largest frequencies; of equals the first."""
    weights = np.rint(mass * 2.0**_MASS_BITS).astype(np.int64)
    share = weights * TOTAL
    frequencies: np.ndarray = np.maximum(1, share // weights.sum())
    left = TOTAL - int(frequencies.sum())
    if left > 0:
        frequencies[np.argsort(-(share % weights.sum()), kind="stable")[:left]] += 1
    while left < 0:
        largest = np.argsort(-frequencies, kind="stable")[: min(-left, int((frequencies > 1).sum()))]
        frequencies[largest] -= 1
        left += len(largest)
    return frequencies


def gaussian_tables(scales: Float64[np.ndarray, " count"], tail_mass: float = TAIL_MASS) -> Tables:
    """Zero-mean Gaussians over unit bins, trimmed to all but `tail_mass`.

    Args:
        scales: standard deviations in symbols, above 0 and up to 2048.
        tail_mass: probability of both tails together that is left to the escape, 1e-9..0.1.

    Raises:
        InputError: a scale or `tail_mass` outside its range.

    >>> tables = gaussian_tables(np.array([0.11, 10.0]))
    >>> tables.firsts.tolist()
    [0, -43]
    """
    if not len(scales) or not ((scales > 0) & (scales <= SCALE_MOST)).all():
        raise InputError("scales of Gaussian tables must be above 0 and up to 2048, at least one")
    if not 1e-9 <= tail_mass <= 0.1:
        raise InputError(f"a tail mass of {tail_mass}", hint="1e-9 to 0.1 is possible")
    pmfs, firsts = [], []
    for scale in scales.tolist():
        width = scale * math.sqrt(2)
        reach = 0
        while math.erfc((reach + 0.5) / width) > tail_mass:
            reach += 1
        edges = [math.erfc((k - 0.5) / width) / 2 for k in range(1, reach + 2)]
        upper = np.array([edges[k] - edges[k + 1] for k in range(reach)])
        pmfs.append(np.concatenate([upper[::-1], [1 - 2 * edges[0]], upper]))
        firsts.append(-reach)
    return tables_from_pmf(pmfs, firsts)


def join(first: Tables, second: Tables) -> Tables:
    """Both sets as one; the numbers of `second`'s tables begin after those of `first`.

    >>> one = gaussian_tables(np.array([1.0]))
    >>> len(join(one, one)), join(one, one).firsts.tolist()
    (2, [-4, -4])
    """
    return Tables(
        np.concatenate([first.cdf, second.cdf]),
        np.concatenate([first.starts, second.starts[1:] + first.starts[-1]]),
        np.concatenate([first.firsts, second.firsts]),
    )
