"""Average precision as the YOLO family reports it, for comparison with numbers published that way.

Two things differ from COCO: precision is interpolated linearly between the points of its envelope, and
the area under it is that of trapezoids at 101 recalls. Beyond the highest recall reached precision is 0.
Written from a description of the protocol (specification section 7): IoU above 0.5, greedy by confidence.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from vedette.images.boxes import iou
from vedette.metrics.average_precision import paired
from vedette.metrics.matching import Found, Truth

GRID = np.linspace(0.0, 1.0, 101)


def yolo_average_precision(
    truths: Sequence[Truth], founds: Sequence[Found], classes: Sequence[str], *, least_iou: float = 0.5
) -> dict[str, float]:
    """AP of each class that has objects, 0 to 1. Regions to ignore take no part.

    >>> box = np.array([[0.0, 0.0, 4.0, 4.0]])
    >>> none, one = np.zeros(1, dtype=bool), np.zeros(1, dtype=np.int64)
    >>> truth = Truth(xyxy=box, labels=one, ignore=none)
    >>> found = Found(xyxy=box, labels=one, scores=np.array([0.9]))
    >>> yolo_average_precision([truth], [found], ["car"])
    {'car': 1.0}
    """
    result = {}
    for number, name in enumerate(classes):
        scores, right, objects = [], [], 0
        for truth, found in paired(truths, founds):
            real = truth.xyxy[(truth.labels == number) & ~truth.ignore]
            mine = found.labels == number
            order = np.argsort(-found.scores[mine], kind="stable")
            objects += len(real)
            scores.append(found.scores[mine][order])
            right.append(_hits(iou(found.xyxy[mine][order], real), least_iou))
        if objects:
            result[name] = _area(np.concatenate(scores), np.concatenate(right), objects)
    return result


def _hits(overlap: Float[np.ndarray, "d t"], least: float) -> Bool[np.ndarray, " d"]:
    """Which detections, best first, take an object that no better one took: the one they overlap most."""
    free = np.ones(overlap.shape[1], dtype=bool)
    hit = np.zeros(len(overlap), dtype=bool)
    for row, values in enumerate(overlap):
        left = np.where(free, values, -1.0)
        if len(left) and left.max() > least:
            free[left.argmax()] = False
            hit[row] = True
    return hit


def _area(scores: Float[np.ndarray, " d"], hit: Bool[np.ndarray, " d"], objects: int) -> float:
    """Area under the envelope of precision over recall."""
    if not hit.any():
        return 0.0
    hit = hit[np.argsort(-scores, kind="stable")]
    found = np.cumsum(hit)
    recall, precision = found / objects, found / np.arange(1, len(hit) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    values = np.interp(GRID, recall, envelope, right=0.0)  # at a recall met twice, the later precision
    return float(((values[1:] + values[:-1]) / 2 * np.diff(GRID)).sum())
