"""Groups of channels that share a step along the inner dimension of a product: ShiftQuant and its rivals.

A step that varies along the dimension that is summed cannot be taken out of the sum. ShiftQuant
(arXiv 2411.10948) groups channels by thresholds that are powers of two (said of it second-hand; the formula
is ours), so that what varies is a shift: with R the largest range, channel c of range r_c gets

    e_c = clamp(floor(log2(R / r_c)), 0, groups - 1),   step_c = R 2^-e_c / q,

and the sum is one float scale, R / q 2^-(groups - 1), times an integer sum of values shifted left by
groups - 1 - e_c. By construction r_c <= R 2^-e_c: nothing is clipped.
"""

import numpy as np
from jaxtyping import Float32, Int64

from vedette.errors import InputError, UnknownNameError
from vedette.numerics.symmetric import magnitude

GROUPINGS = ("shift", "tensor", "channel", "uniform", "optimal")


def shift_exponents(ranges: Float32[np.ndarray, " channels"], groups: int) -> Int64[np.ndarray, " channels"]:
    """e_c of each channel; exact also where R / r_c is a power of two. Channels of zeros get groups - 1.

    Args:
        ranges: largest magnitude of each channel, finite.
        groups: 1 or more.

    >>> shift_exponents(np.float32([1, 0.5, 0.51, 0.25, 0.001, 0]), 4).tolist()
    [0, 1, 0, 2, 3, 3]
    """
    if groups < 1:
        raise InputError(f"{groups} groups", hint="take at least one")
    mantissa, exponent = np.frexp(ranges)  # r = mantissa 2^exponent, mantissa in [0.5, 1)
    top = int(np.argmax(ranges)) if ranges.size else 0
    if not ranges.size or ranges[top] == 0:
        return np.full(ranges.shape, groups - 1, np.int64)
    found = (exponent[top] - exponent).astype(np.int64) - (mantissa > mantissa[top])
    return np.where(ranges > 0, np.clip(found, 0, groups - 1), groups - 1)


def shift_bits(bits: int, groups: int) -> int:
    """Bits that a shifted value needs; 8 or fewer can be stored shifted and multiplied as int8.

    >>> [shift_bits(4, 5), shift_bits(6, 3), shift_bits(8, 4)]
    [8, 8, 11]
    """
    return (magnitude(bits) << (groups - 1)).bit_length() + 1


def steps(
    ranges: Float32[np.ndarray, " channels"], bits: int, *, grouping: str, groups: int = 4
) -> np.ndarray:
    """The step of each channel, float64, by a way of grouping; 1 where its range is 0.

    Args:
        grouping: "shift"; "tensor", one step; "channel", each its own, the finest; "uniform", thresholds at
            R, R (g-1)/g, ... R/g; "optimal", the groups of least variance bound among all contiguous ones of
            the sorted ranges, by dynamic programming, what no way of grouping can beat.

    Raises:
        UnknownNameError: no such way.

    >>> ranges = np.float32([1, 0.5, 0.3])
    >>> (7 * steps(ranges, 4, grouping="shift")).tolist(), (7 * steps(ranges, 4, grouping="tensor")).tolist()
    ([1.0, 0.5, 0.5], [1.0, 1.0, 1.0])
    """
    if grouping not in GROUPINGS:
        raise UnknownNameError("way of grouping", grouping, GROUPINGS)
    wide = ranges.astype(np.float64)
    top = wide.max(initial=0.0)
    if grouping == "shift":
        limits = top * 2.0 ** -shift_exponents(ranges, groups)
    elif grouping == "tensor":
        limits = np.full(wide.shape, top)
    elif grouping == "channel":
        limits = wide
    elif grouping == "uniform":
        part = np.ceil(wide / top * groups) if top else wide
        limits = np.maximum(part, 1) * top / groups
    else:
        limits = np.zeros(wide.shape)
        limits[wide > 0] = _optimal(wide[wide > 0], groups)
    return np.where(limits > 0, limits, magnitude(bits)) / magnitude(bits)


def _optimal(ranges: np.ndarray, groups: int) -> np.ndarray:
    """Limits of the partition of the sorted ranges into `groups` runs with the least sum of size max^2."""
    order = np.argsort(-ranges, kind="stable")
    squares = ranges[order] ** 2
    count = len(ranges)
    least = np.full((groups + 1, count + 1), np.inf)
    cut = np.zeros((groups + 1, count + 1), np.int64)
    least[0, 0] = 0
    for group in range(1, groups + 1):
        for end in range(1, count + 1):
            sizes = np.arange(end, 0, -1)  # of the last run, which begins with its largest
            cost = least[group - 1, :end] + squares[:end] * sizes
            cut[group, end] = np.argmin(cost)
            least[group, end] = cost[cut[group, end]]
    limits = np.zeros(count)
    group, end = int(np.argmin(least[1:, count])) + 1 if count else 0, count
    while end:
        begin = int(cut[group, end])
        limits[order[begin:end]] = ranges[order[begin]]
        group, end = group - 1, begin
    return limits


def variance_bound(
    ranges: Float32[np.ndarray, " channels"], bits: int, outer: int, *, grouping: str, groups: int = 4
) -> float:
    """The most variance that stochastic rounding can add to a matrix: sum over channels of outer step^2 / 4.

    A channel of zeros has none.

    Args:
        outer: elements of each channel.
    """
    found = steps(ranges, bits, grouping=grouping, groups=groups)[ranges > 0]
    return float(outer * (found**2).sum() / 4)
