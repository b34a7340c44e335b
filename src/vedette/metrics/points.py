"""Objects as points: which were found by a box whose center lies near enough."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from vedette.errors import InputError
from vedette.metrics.f1 import F1Curve, curve_of


def point_f1(
    points: Sequence[Float[np.ndarray, "_ 2"]],
    centers: Sequence[Float[np.ndarray, "_ 2"]],
    scores: Sequence[Float[np.ndarray, " _"]],
    *,
    radius_px: float | None = None,
    radius_m: float | None = None,
    gsd_m: Sequence[float] | None = None,
) -> F1Curve:
    """Precision, recall and F1 of centers matched one to one with points; `best_f1` and `best` sum it up.

    Best score first, each center takes the nearest point that is still free and no farther than the
    radius. The classes are not compared.

    Args:
        points: x and y of the objects of each image, pixels.
        centers, scores: of the detections of each image.
        radius_px, radius_m: greatest distance, pixels or meters, itself included; one of the two.
        gsd_m: meters a pixel of each image, needed with `radius_m`.

    Raises:
        InputError: not one entry for each image, unequal lengths, values not finite, or no radius above 0.

    >>> points = [np.array([[10.0, 10.0], [30.0, 10.0]])]
    >>> centers = [np.array([[11.0, 10.0], [50.0, 50.0], [30.0, 12.0]])]
    >>> curve = point_f1(points, centers, [np.array([0.9, 0.6, 0.7])], radius_m=1.0, gsd_m=[0.5])
    >>> curve.best_f1, curve.best
    (1.0, (0.7, 1.0, 1.0))
    """
    radii = _radii_px(len(points), radius_px, radius_m, gsd_m)
    if not len(points) == len(centers) == len(scores):
        raise InputError(
            f"{len(points)}, {len(centers)} and {len(scores)} images of points, centers and scores",
            hint="give one of each for an image",
        )
    hits = [np.zeros(0, bool)]
    for at, center, score, radius in zip(points, centers, scores, radii, strict=True):
        if len(center) != len(score):
            raise InputError(f"{len(center)} centers with {len(score)} scores", hint="give one for each")
        if not all(np.isfinite(values).all() for values in (at, center, score)):
            raise InputError("a point, center or score is not finite", hint="leave such entries out")
        hits.append(_near(at, center, score, radius))
    return curve_of(np.concatenate(hits), np.concatenate([np.zeros(0), *scores]), sum(map(len, points)))


def _radii_px(
    images: int, radius_px: float | None, radius_m: float | None, gsd_m: Sequence[float] | None
) -> list[float]:
    if (radius_px is None) == (radius_m is None) or not (radius_px or radius_m or 0) > 0:
        raise InputError("not one radius above 0", hint="give one of radius_px and radius_m")
    if radius_px is not None:
        return [radius_px] * images
    if gsd_m is None or len(gsd_m) != images or not all(gsd > 0 for gsd in gsd_m):
        raise InputError("a radius in meters without the meters a pixel", hint="give gsd_m for each image")
    return [float(radius_m or 0) / gsd for gsd in gsd_m]


def _near(
    points: Float[np.ndarray, "n 2"],
    centers: Float[np.ndarray, "m 2"],
    scores: Float[np.ndarray, " m"],
    radius_px: float,
) -> Bool[np.ndarray, " m"]:
    """Which centers got a point."""
    hit = np.zeros(len(centers), bool)
    free = points.astype(np.float64)
    for row in np.argsort(-scores, kind="stable"):
        if not len(free):
            break
        apart = np.hypot(free[:, 0] - centers[row, 0], free[:, 1] - centers[row, 1])
        nearest = int(apart.argmin())
        if apart[nearest] <= radius_px:
            hit[row] = True
            free = np.delete(free, nearest, axis=0)
    return hit
