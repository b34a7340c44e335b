"""One box for one object: suppression and merging on arrays of any length; no torch.

Candidates that could meet are found by a sweep over left edges, so that a scene with tens of thousands
of boxes needs no square matrix. Boxes of different classes never meet.
"""

import heapq
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64

from vedette.detect.detections import Detections
from vedette.errors import UnknownNameError
from vedette.images.boxes import closeness, hull, ios, iou, turned_iou

Measure = Literal["iou", "ios", "center"]
MEASURES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "iou": iou,
    "ios": ios,
    "center": closeness,
}
CHUNK = 4096  # boxes whose pairs are measured at once
TINY = 1e-12  # a weight of a mean must not be 0


def nms(
    found: Detections,
    threshold: float,
    measure: Measure = "iou",
    *,
    window: Int64[np.ndarray, " n"] | None = None,
) -> Int64[np.ndarray, " m"]:
    """Numbers of the boxes that no better one of their class overlaps by more than `threshold`, best first.

    Args:
        measure: "iou", "ios" (over the smaller box: finds parts of cut objects) or "center" (distance of
            centers: finds tiny boxes that a pixel parts). Turned boxes have their own IoU.
        window: number of the window that each box was found in: those of one window do not meet.

    >>> boxes = np.array([[0.0, 0.0, 4.0, 4.0], [1.0, 0.0, 5.0, 4.0], [9.0, 9.0, 12.0, 12.0]])
    >>> found = Detections(xyxy=boxes, scores=np.array([0.8, 0.9, 0.3]), labels=np.zeros(3, dtype=np.int64))
    >>> nms(found, 0.5).tolist()
    [1, 2]
    """
    order, groups = _groups(found, threshold, measure, window)
    return order[[leader for leader, _ in groups]] if len(order) else order


def merge(
    found: Detections, threshold: float, measure: Measure = "iou", how: Literal["mean", "union"] = "mean"
) -> Detections:
    """Every box that `nms` keeps, joined with those that it suppresses: their mean by score, or their hull.

    Turned boxes keep the best one's angle.
    """
    order, groups = _groups(found, threshold, measure)
    kept = found.take(order[[leader for leader, _ in groups]]) if len(order) else found
    xyxy, turned = kept.xyxy.copy(), None if kept.cxcywht is None else kept.cxcywht.copy()
    for row, (leader, followers) in enumerate(groups):
        if not followers:
            continue
        members = order[[leader, *followers]]
        weights = np.maximum(found.scores[members, None], TINY)
        weights = weights / weights.sum()
        boxes = found.xyxy[members]
        if how == "mean":
            xyxy[row] = (boxes * weights).sum(axis=0)
        else:
            xyxy[row] = (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))
        if turned is not None and found.cxcywht is not None:
            alike = found.cxcywht[members]
            odd = np.rint((alike[:, 4] - alike[0, 4]) / (np.pi / 2)) % 2 == 1  # sides named the other way
            alike[odd, 2:4] = alike[odd, 3:1:-1]
            turned[row, :4] = (alike[:, :4] * weights).sum(axis=0)
            if how == "mean":
                xyxy[row] = hull(turned[row : row + 1])[0]
    return Detections(xyxy=xyxy, scores=kept.scores, labels=kept.labels, cxcywht=turned)


def merge_redundant(found: Detections, threshold: float) -> Detections:
    """The suppression of the released SuperYOLO code, for its published protocol (specification section 7).

    Every kept box becomes the mean by score of all boxes that overlap it, and is dropped where there is no
    other. Published numbers include this loss of single boxes.
    """
    kept = nms(found, threshold)
    xyxy, supported = found.xyxy[kept].copy(), np.zeros(len(kept), dtype=bool)
    for row, number in enumerate(kept):
        same = found.labels == found.labels[number]
        near = same & (iou(found.xyxy[number : number + 1], found.xyxy)[0] > threshold)
        weights = np.maximum(found.scores[near, None], TINY)
        xyxy[row] = (found.xyxy[near] * weights).sum(axis=0) / weights.sum()
        supported[row] = near.sum() > 1
    chosen = found.take(kept)
    merged = Detections(xyxy=xyxy, scores=chosen.scores, labels=chosen.labels, cxcywht=chosen.cxcywht)
    return merged.take(supported)


def soft_nms(
    found: Detections, *, sigma: float = 0.5, least: float = 0.001, measure: Measure = "iou"
) -> Detections:
    """Scores lowered by exp(-overlap^2 / sigma) of every better box (Bodla et al., arXiv 1704.04503).

    Boxes whose score falls to `least` are left out; best first.
    """
    scores = found.scores.copy()
    near: dict[int, list[tuple[int, float]]] = {}
    for first, second, overlaps in _pairs(found, measure):
        for a, b, value in zip(first.tolist(), second.tolist(), overlaps.tolist(), strict=True):
            near.setdefault(a, []).append((b, value))
            near.setdefault(b, []).append((a, value))
    heap = [(-score, number) for number, score in enumerate(scores.tolist())]
    heapq.heapify(heap)
    done: list[int] = []
    taken = np.zeros(len(scores), dtype=bool)
    while heap:
        score, number = heapq.heappop(heap)
        if taken[number] or -score != scores[number]:
            continue  # an entry from before the score fell
        if -score <= least:
            break
        taken[number] = True
        done.append(number)
        for other, overlap in near.get(number, ()):
            if not taken[other]:
                scores[other] *= float(np.exp(-(overlap**2) / sigma))
                heapq.heappush(heap, (-scores[other], other))
    kept = np.array(done, dtype=np.int64)
    chosen = found.take(kept)
    return Detections(xyxy=chosen.xyxy, scores=scores[kept], labels=chosen.labels, cxcywht=chosen.cxcywht)


def _groups(
    found: Detections, threshold: float, measure: Measure, window: Int64[np.ndarray, " n"] | None = None
) -> tuple[Int64[np.ndarray, " n"], list[tuple[int, list[int]]]]:
    """The order by score, and in it each leader with those that it suppresses."""
    order = np.argsort(-found.scores, kind="stable")
    better: list[list[int]] = [[] for _ in order]
    ranked = found.take(order)
    for first, second, overlap in _pairs(ranked, measure):
        over = overlap > threshold
        if window is not None:
            over &= window[order[first]] != window[order[second]]
        for a, b in zip(first[over].tolist(), second[over].tolist(), strict=True):
            better[max(a, b)].append(min(a, b))
    leader_of = list(range(len(order)))
    followers: dict[int, list[int]] = {}
    for rank, above in enumerate(better):
        leaders = [a for a in above if leader_of[a] == a]
        if leaders:
            leader_of[rank] = min(leaders)
            followers[leader_of[rank]].append(rank)
        else:
            followers[rank] = []
    return order, list(followers.items())


def _pairs(
    found: Detections, measure: Measure
) -> Iterator[tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"], Float[np.ndarray, " p"]]]:
    """Pairs of one class that may overlap, each once, and by how much."""
    if measure not in MEASURES:
        raise UnknownNameError("measure of overlap", measure, MEASURES)
    reach = found.xyxy
    if measure == "center":  # thin boxes may be close without touching
        side = np.sqrt(np.prod(reach[:, 2:] - reach[:, :2], axis=1))[:, None] / 2
        center = (reach[:, :2] + reach[:, 2:]) / 2
        reach = np.concatenate([center - side, center + side], axis=1)
    for label in np.unique(found.labels):
        members = np.nonzero(found.labels == label)[0]
        members = members[np.argsort(reach[members, 0], kind="stable")]
        lefts, boxes = reach[members, 0], reach[members]
        ends = np.searchsorted(lefts, boxes[:, 2], side="left")
        for start in range(0, len(members), CHUNK):
            rows = np.arange(start, min(start + CHUNK, len(members)))
            counts = np.maximum(ends[rows] - rows - 1, 0)
            first = np.repeat(rows, counts)
            second = first + 1 + np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
            meets = (boxes[first, 1] < boxes[second, 3]) & (boxes[second, 1] < boxes[first, 3])
            a, b = members[first[meets]], members[second[meets]]
            if len(a):
                yield a, b, _measured(found, a, b, measure)


def _measured(found: Detections, a: np.ndarray, b: np.ndarray, measure: Measure) -> np.ndarray:
    """The measure of each pair (a[i], b[i])."""
    values: np.ndarray = np.empty(len(a))
    by, boxes = (
        (turned_iou, found.cxcywht)
        if found.cxcywht is not None and measure == "iou"
        else (MEASURES[measure], found.xyxy)
    )
    assert boxes is not None
    # pairs come grouped by their first box: each group is one row of a small matrix
    starts = np.concatenate([[0], np.nonzero(np.diff(a))[0] + 1, [len(a)]])
    for start, end in pairwise(starts.tolist()):
        values[start:end] = by(boxes[a[start] : a[start] + 1], boxes[b[start:end]])[0]
    return values
