"""The Bjontegaard delta rate: how many more bits one codec needs for the same quality."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from vedette.errors import InputError

POINTS_LEAST = 3

Knots = Float[np.ndarray, " points"]


def bd_rate(
    bpp: Sequence[float], quality_db: Sequence[float], anchor_bpp: Sequence[float], anchor_db: Sequence[float]
) -> float:
    """Mean rate difference to the anchor in percent over the quality range both cover; negative is better.

    PCHIP of log rate over quality on dataset-mean points, integrated over the overlap: the protocol that
    reproduces the figures of recent papers. G. Bjontegaard, VCEG-M33, 2001, with a cubic polynomial;
    PCHIP is what the common test conditions use today. Points may come in any order.

    Args:
        bpp, anchor_bpp: bits per pixel, positive.
        quality_db, anchor_db: PSNR or MS-SSIM, dB; no two points of a curve alike.

    Raises:
        InputError: fewer than 3 points, two of one quality, a rate not above 0, a value not finite, or
            curves that share no quality.

    >>> round(bd_rate([0.22, 0.44, 0.88], [30, 33, 36], [0.2, 0.4, 0.8], [30, 33, 36]), 6)
    10.0
    """
    x, y = _curve(bpp, quality_db)
    anchor_x, anchor_y = _curve(anchor_bpp, anchor_db)
    low, high = max(x[0], anchor_x[0]), min(x[-1], anchor_x[-1])
    if high <= low:
        ranges = f"{x[0]:.2f}..{x[-1]:.2f} dB and {anchor_x[0]:.2f}..{anchor_x[-1]:.2f} dB"
        raise InputError(f"the two curves share no quality: {ranges}", hint="measure them over one range")
    knots = np.union1d(x, anchor_x)
    ends = np.concatenate([[low], knots[(knots > low) & (knots < high)], [high]])
    at = np.stack([ends[:-1], (ends[:-1] + ends[1:]) / 2, ends[1:]])
    gap = (pchip(x, y, at.ravel()) - pchip(anchor_x, anchor_y, at.ravel())).reshape(at.shape)
    # Between knots the gap is one cubic, of which Simpson's rule is the exact integral.
    area = np.sum((at[2] - at[0]) * (gap[0] + 4 * gap[1] + gap[2])) / 6
    return float(np.expm1(area / (high - low)) * 100)


def pchip(x: Knots, y: Knots, at: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Monotone cubic interpolation through 3 or more points (x, y), x rising, at the abscissas `at`.

    Fritsch and Carlson, SIAM J. Numerical Analysis 17, 1980, with Moler's three-point end slopes.

    >>> pchip(np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 2.0]), np.array([0.5])).tolist()
    [0.5]
    """
    step = np.diff(x)
    slope = np.diff(y) / step
    inner = np.zeros(len(x) - 2)
    same = slope[:-1] * slope[1:] > 0  # elsewhere the point is a peak or a valley: slope 0
    w1, w2 = 2 * step[1:] + step[:-1], step[1:] + 2 * step[:-1]
    inner[same] = ((w1 + w2)[same]) / (w1[same] / slope[:-1][same] + w2[same] / slope[1:][same])
    first = _end(step[0], step[1], slope[0], slope[1])
    last = _end(step[-1], step[-2], slope[-1], slope[-2])
    d = np.concatenate([[first], inner, [last]])
    index = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    h, t = step[index], (at - x[index]) / step[index]
    result: np.ndarray = (
        (1 + 2 * t) * (1 - t) ** 2 * y[index]
        + t * (1 - t) ** 2 * h * d[index]
        + t**2 * (3 - 2 * t) * y[index + 1]
        + t**2 * (t - 1) * h * d[index + 1]
    )
    return result


def _end(h0: float, h1: float, s0: float, s1: float) -> float:
    slope = ((2 * h0 + h1) * s0 - h0 * s1) / (h0 + h1)
    if np.sign(slope) != np.sign(s0):
        return 0.0
    if np.sign(s0) != np.sign(s1) and abs(slope) > 3 * abs(s0):
        return float(3 * s0)
    return float(slope)


def _curve(bpp: Sequence[float], quality_db: Sequence[float]) -> tuple[Knots, Knots]:
    """Quality, rising, and the natural logarithm of the rate."""
    if len(bpp) != len(quality_db) or len(bpp) < POINTS_LEAST:
        raise InputError(
            f"a curve of {len(bpp)} rates and {len(quality_db)} qualities",
            hint=f"as many of each, and {POINTS_LEAST} at least, are needed",
        )
    order = np.argsort(np.asarray(quality_db, dtype=np.float64))
    x = np.asarray(quality_db, dtype=np.float64)[order]
    rate = np.asarray(bpp, dtype=np.float64)[order]
    if not (np.isfinite(x).all() and np.isfinite(rate).all() and (rate > 0).all()):
        raise InputError(
            "a curve with a rate of 0 or a value that is not finite", hint="leave such points out"
        )
    if (np.diff(x) <= 0).any():
        raise InputError("a curve with two points of one quality", hint="leave one of them out")
    return x, np.log(rate)
