"""How far average precision would move with other images: intervals from resampled sets."""

from collections.abc import Sequence

import numpy as np

from vedette.errors import InputError
from vedette.metrics.average_precision import by_class, mean_known, paired
from vedette.metrics.matching import MOST, Found, Truth, match


def bootstrap(
    truths: Sequence[Truth],
    founds: Sequence[Found],
    classes: Sequence[str],
    *,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    most: int = MOST,
    oriented: bool = False,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of "ap50" and "ap50_95" over images drawn with replacement.

    Efron, Annals of Statistics 7, 1979. Images must be independent of each other: frames of one sequence
    make intervals that are too narrow. What the training of the detector would change is not in them.

    Args:
        draws: resampled sets; each is as large as the set. Boxes are matched once only.
        seed: of the draws.
        level: part of the draws inside an interval, in (0, 1).

    Returns:
        Low and high end by name; nan where no draw has an object.

    Raises:
        InputError: no images, no draws, a level outside (0, 1), or what `average_precision` refuses.

    >>> box = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> truth = Truth(xyxy=box, labels=np.array([0]), ignore=np.array([False]))
    >>> found = Found(xyxy=box, labels=np.array([0]), scores=np.array([0.9]))
    >>> low, high = bootstrap([truth] * 3, [found] * 3, ["car"], draws=10)["ap50"]
    >>> round(low, 6), round(high, 6)
    (1.0, 1.0)
    """
    pairs = paired(truths, founds)
    if not pairs or draws < 1 or not 0 < level < 1:
        raise InputError(
            f"cannot draw {draws} times from {len(pairs)} images for a level of {level}",
            hint="give images, draws above 0 and a level between 0 and 1",
        )
    matches = [match(truth, found, classes, most=most, oriented=oriented) for truth, found in pairs]
    count = len(matches)
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    precision, _ = by_class(matches, weights, len(classes))
    return {
        "ap50": _interval(mean_known(precision[:, 0]), level),
        "ap50_95": _interval(mean_known(precision.reshape(draws, -1)), level),
    }


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
