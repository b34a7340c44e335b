"""How many faults to draw from a finite population, and how well their share is known.

Sample size after Leveugle et al., "Statistical fault injection: quantified error and confidence", DATE
2009; Wilson's interval (1927) with the number drawn scaled by (N - 1) / (N - n), so that it closes when
the whole population was run.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError

T_95 = 1.959964  # standard normal quantile of a 95 % interval


def sample_size(population: int, *, error: float, share: float = 0.5, t: float = T_95) -> int:
    """Faults to draw so that a share is known to within `error`, in the normal approximation.

    Args:
        population: N_f faults in all.
        error: half width e, 0 to 1.
        share: the expected share p; 0.5 asks for most.
        t: quantile; 1.96 for 95 %.

    Raises:
        InputError: `error` is not between 0 and 1.

    >>> sample_size(1_000_000, error=0.01), sample_size(100, error=0.01)
    (9513, 99)
    """
    if not 0 < error < 1:
        raise InputError(f"an interval of {error}", hint="give a half width between 0 and 1, such as 0.01")
    spread = t * t * share * (1 - share)
    if population <= 1:
        return population
    return min(population, math.ceil(population * spread / (error * error * (population - 1) + spread)))


def wilson(hits: int, drawn: int, population: int, *, t: float = T_95) -> tuple[float, float]:
    """Interval of the share of a population in which `hits` of `drawn` faults, drawn without repeating, hit.

    >>> low, high = wilson(50, 100, 10**9)
    >>> round(low, 4), round(high, 4)
    (0.4038, 0.5962)
    >>> wilson(3, 10, 10)
    (0.3, 0.3)
    """
    if drawn == 0:
        return 0.0, 1.0
    share = hits / drawn
    if drawn >= population:
        return share, share
    size = drawn * (population - 1) / (population - drawn)
    middle = (share + t * t / (2 * size)) / (1 + t * t / size)
    half = t * math.sqrt(share * (1 - share) / size + t * t / (4 * size * size)) / (1 + t * t / size)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))  # rounding at 0 and 1


def draw_order(size: int, *, seed: int, most: int | None = None) -> Int64[np.ndarray, " n"]:
    """A random order of 0..size-1, or its first `most` entries; the entries of a shorter one come first.

    Of more than 2^22 entries no permutation is made: distinct ones are drawn until there are enough.

    >>> draw_order(10, seed=1, most=3).tolist() == draw_order(10, seed=1).tolist()[:3]
    True
    """
    most = size if most is None else min(most, size)
    generator = np.random.Generator(np.random.PCG64(seed))
    if size <= 1 << 22 or most > size // 4:
        return generator.permutation(size)[:most]
    seen: dict[int, None] = {}
    while len(seen) < most:
        for drawn in generator.integers(size, size=4096).tolist():
            seen.setdefault(drawn)
    return np.fromiter(seen, np.int64, len(seen))[:most]


def proportional(strata: Sequence[int], drawn: int) -> list[int]:
    """How many of `drawn` fall to each stratum, in proportion to its size, by largest remainder.

    Shares of such a sample vary no more than those of a plain one, so that its interval holds for both.

    >>> proportional([70, 20, 10], 11)
    [8, 2, 1]
    """
    total = sum(strata)
    drawn = min(drawn, total)
    whole = [size * drawn // total if total else 0 for size in strata]
    rest = sorted(range(len(strata)), key=lambda i: (-(strata[i] * drawn % total if total else 0), i))
    for index in rest[: drawn - sum(whole)]:
        whole[index] += 1
    return whole
