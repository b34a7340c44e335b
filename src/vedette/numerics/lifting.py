"""Wavelets by integer lifting: the reversible 5/3 and a fixed-point 9/7, perfect for any length.

A step adds (factor * (left + right) + offset) >> shift to every second sample; subtracting the same
undoes it exactly, whatever the rounding. Both filters are JPEG 2000's (ISO/IEC 15444-1, annex F);
that the 9/7 runs in fixed point, with its final scaling left to the quantizer, is ours.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from vedette.errors import InputError, UnknownNameError


@dataclass(frozen=True)
class Step:
    """One lifting step; the first, third, ... change odd samples, the others even ones."""

    factor: int
    offset: int
    shift: int


def _fixed(factor: float) -> Step:
    return Step(round(factor * 2**14), 2**13, 14)


WAVELETS: dict[str, tuple[Step, ...]] = {
    "5/3": (Step(-1, 1, 1), Step(1, 2, 2)),
    "9/7": (
        _fixed(-1.586134342059924),
        _fixed(-0.052980118572961),
        _fixed(0.882911075530934),
        _fixed(0.443506852043971),
    ),
}
LARGEST = 1 << 40  # samples up to here cannot overflow: five bits of gain and sixteen of factor
LARGEST_BAND = LARGEST << 5  # nor can bands up to here, on the way back


def steps_of(wavelet: str) -> tuple[Step, ...]:
    """The steps of the wavelet of that name.

    >>> len(steps_of("9/7"))
    4
    """
    if wavelet not in WAVELETS:
        raise UnknownNameError("wavelet", wavelet, WAVELETS)
    return WAVELETS[wavelet]


def _update(
    step: Step, number: int, low: Int64[np.ndarray, "*a"], high: Int64[np.ndarray, "*b"]
) -> Int64[np.ndarray, "*c"]:
    """What step `number` adds to the samples it changes; the signal is mirrored at its ends."""
    if number % 2 == 0:
        index = np.arange(high.shape[-1])
        pair = low[..., index] + low[..., np.minimum(index + 1, low.shape[-1] - 1)]
    else:
        index = np.arange(low.shape[-1])
        pair = high[..., np.maximum(index - 1, 0)] + high[..., np.minimum(index, high.shape[-1] - 1)]
    change: np.ndarray = (step.factor * pair + step.offset) >> step.shift
    return change


def analyze(
    x: Int64[np.ndarray, "*n"], wavelet: str = "5/3", *, axis: int = -1
) -> tuple[Int64[np.ndarray, "*low"], Int64[np.ndarray, "*high"]]:
    """Low and high band of `x` along `axis`: ceil(n/2) and floor(n/2) samples; a lone sample is low.

    Raises:
        InputError: no samples, or one above 2^40 in magnitude.

    >>> low, high = analyze(np.array([1, 2, 3, 4, 5]))
    >>> low.tolist(), high.tolist()
    ([1, 3, 5], [0, 0])
    """
    if x.shape[axis] == 0:
        raise InputError("a signal without samples")
    if x.size and max(int(x.max()), -int(x.min())) > LARGEST:
        raise InputError("a sample above 2^40 in magnitude", hint="requantize it first")
    moved = np.moveaxis(x, axis, -1)
    low, high = moved[..., ::2].copy(), moved[..., 1::2].copy()
    if high.shape[-1]:
        for number, step in enumerate(steps_of(wavelet)):
            if number % 2 == 0:
                high += _update(step, number, low, high)
            else:
                low += _update(step, number, low, high)
    return np.moveaxis(low, -1, axis), np.moveaxis(high, -1, axis)


def synthesize(
    low: Int64[np.ndarray, "*low"], high: Int64[np.ndarray, "*high"], wavelet: str = "5/3", *, axis: int = -1
) -> Int64[np.ndarray, "*n"]:
    """The signal whose bands these are: exactly what `analyze` was given.

    Raises:
        InputError: bands whose lengths do not belong together, or a value above 2^45 in magnitude.

    >>> synthesize(np.array([1, 3, 5]), np.array([0, 0])).tolist()
    [1, 2, 3, 4, 5]
    """
    low, high = np.moveaxis(low, axis, -1).copy(), np.moveaxis(high, axis, -1).copy()
    if low.shape[-1] - high.shape[-1] not in (0, 1):
        raise InputError(f"a low band of {low.shape[-1]} and a high band of {high.shape[-1]} samples")
    if any(b.size and max(int(b.max()), -int(b.min())) > LARGEST_BAND for b in (low, high)):
        raise InputError("a band above 2^45 in magnitude", hint="no samples within 2^40 have such bands")
    if high.shape[-1]:
        for number, step in reversed(list(enumerate(steps_of(wavelet)))):
            if number % 2 == 0:
                high -= _update(step, number, low, high)
            else:
                low -= _update(step, number, low, high)
    x = np.empty((*low.shape[:-1], low.shape[-1] + high.shape[-1]), dtype=np.int64)
    x[..., ::2], x[..., 1::2] = low, high
    return np.moveaxis(x, -1, axis)
