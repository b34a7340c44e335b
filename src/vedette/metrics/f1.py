"""Precision, recall and F1 over the score threshold, and the threshold to fly with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from vedette.metrics.average_precision import paired
from vedette.metrics.matching import MOST, Found, Truth, match


@dataclass(frozen=True, kw_only=True)
class F1Curve:
    """What a detector gives where only detections of at least a threshold are kept; all classes together.

    Attributes:
        thresholds: every score that occurs, falling.
        precision, recall, f1: 0 to 1, at each threshold; recall is nan where there are no objects.
        objects: that were to be found.
    """

    thresholds: Float[np.ndarray, " n"]
    precision: Float[np.ndarray, " n"]
    recall: Float[np.ndarray, " n"]
    f1: Float[np.ndarray, " n"]
    objects: int

    @property
    def best_f1(self) -> float:
        """The greatest F1; 0 without detections."""
        return float(self.f1.max()) if len(self.f1) else 0.0

    @property
    def best(self) -> tuple[float, float, float]:
        """Threshold, precision and recall where F1 is greatest, at the highest such threshold.

        Without detections the threshold is inf and the others are 0.
        """
        if not len(self.f1):
            return float("inf"), 0.0, 0.0
        at = int(self.f1.argmax())
        return float(self.thresholds[at]), float(self.precision[at]), float(self.recall[at])


def f1_curve(
    truths: Sequence[Truth],
    founds: Sequence[Found],
    classes: Sequence[str],
    *,
    iou: float = 0.5,
    most: int = MOST,
    oriented: bool = False,
) -> F1Curve:
    """The curve of detections matched as for average precision; what lies on regions to ignore is left out.

    Args:
        iou: overlap that suffices, in (0, 1].
        most: detections kept of each class in an image.
        oriented: compare turned boxes.

    Raises:
        InputError: what `average_precision` refuses.

    >>> box = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> truth = Truth(xyxy=box, labels=np.array([0]), ignore=np.array([False]))
    >>> two = np.concatenate([box, box + 20])
    >>> found = Found(xyxy=two, labels=np.array([0, 0]), scores=np.array([0.9, 0.3]))
    >>> curve = f1_curve([truth], [found], ["car"])
    >>> curve.precision.tolist(), curve.best
    ([1.0, 0.5], (0.9, 1.0, 1.0))
    """
    at = np.array([iou])
    matches = [
        match(truth, found, classes, ious=at, most=most, oriented=oriented)
        for truth, found in paired(truths, founds)
    ]
    none = np.zeros(0)
    hit = np.concatenate([none.astype(bool), *(m.hit[0] for m in matches)])
    void = np.concatenate([none.astype(bool), *(m.void[0] for m in matches)])
    scores = np.concatenate([none, *(m.scores for m in matches)])
    return curve_of(hit[~void], scores[~void], sum(int(m.objects.sum()) for m in matches))


def curve_of(hit: Bool[np.ndarray, " n"], scores: Float[np.ndarray, " n"], objects: int) -> F1Curve:
    """The curve of detections in any order; those that `hit` found one of the `objects` each.

    >>> curve_of(np.array([True, False]), np.array([0.8, 0.8]), 1).precision.tolist()  # one point
    [0.5]
    """
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.flatnonzero(np.append(falling[1:] < falling[:-1], True)[: len(falling)])
    right = np.cumsum(hit[order])[last].astype(np.float64)
    return F1Curve(
        thresholds=falling[last],
        precision=right / (last + 1),
        recall=right / objects if objects else np.full(len(last), np.nan),
        f1=2 * right / (last + 1 + objects),
        objects=objects,
    )
