"""Which detections are right: boxes matched with the truth of their image, greedily by score as COCO does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int64

from vedette.errors import InputError
from vedette.images import boxes

IOUS: Float[np.ndarray, " t"] = np.linspace(0.5, 0.95, 10)  # as COCO; arange would end a little above 0.95
MOST = 500  # COCO keeps 100 of a class in an image; scenes from above hold more

Area = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is in one image.

    Args:
        xyxy: left, top, right, bottom, pixels, half-open, origin top left.
        labels: numbers of the classes; below 0 only for regions to ignore, which then stand for every class.
        ignore: crowds and "don't care" regions: neither object nor background.
        cxcywht: the same as turned boxes: center, width, height in pixels, angle in radians.
        gsd_m: meters a pixel, None where unknown.
    """

    xyxy: Float[np.ndarray, "n 4"]
    labels: Int64[np.ndarray, " n"]
    ignore: Bool[np.ndarray, " n"]
    cxcywht: Float[np.ndarray, "n 5"] | None = None
    gsd_m: float | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a detector says is in one image; boxes as those of `Truth`, scores rise with confidence."""

    xyxy: Float[np.ndarray, "n 4"]
    labels: Int64[np.ndarray, " n"]
    scores: Float[np.ndarray, " n"]
    cxcywht: Float[np.ndarray, "n 5"] | None = None


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The detections of one image at `t` IoU thresholds, by class and then by falling score.

    Attributes:
        labels, scores: of the detections that were kept.
        hit: an object was found. What is neither hit nor void is a false alarm.
        void: counts neither way: on a region to ignore, or out of the range of areas.
        objects: of each class, those that are to be found.
    """

    labels: Int64[np.ndarray, " d"]
    scores: Float[np.ndarray, " d"]
    hit: Bool[np.ndarray, "t d"]
    void: Bool[np.ndarray, "t d"]
    objects: Int64[np.ndarray, " k"]


def match(
    truth: Truth,
    found: Found,
    classes: Sequence[str],
    *,
    ious: Float[np.ndarray, " t"] = IOUS,
    area: Area | None = None,
    most: int = MOST,
    oriented: bool = False,
) -> Matched:
    """Give each detection, best score first, the free object of its class that it overlaps most.

    A region to ignore takes what no object takes, any number of times; there the overlap is divided by the
    detection's area, not by the union. Of equal scores the earlier detection comes first, of equal
    overlaps the later object.

    Args:
        ious: overlaps that suffice, in (0, 1]; each is matched by itself.
        area: least and greatest size of an object, square pixels, both included; objects of other sizes
            may be found or not, and detections of other sizes are no false alarms.
        most: detections kept of each class.
        oriented: compare turned boxes.

    Raises:
        InputError: arrays of unequal length, a label that no class has, boxes or scores that are none.

    >>> box = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> truth = Truth(xyxy=box, labels=np.array([0]), ignore=np.array([False]))
    >>> found = Found(xyxy=box + np.array([0.0, 0.0, 2.0, 0.0]), labels=np.array([0]), scores=np.array([0.9]))
    >>> match(truth, found, ["car"]).hit[:, 0].tolist()  # IoU 10 / 12
    [True, True, True, True, True, True, True, False, False, False]
    """
    check(truth, found, len(classes), oriented)
    if most < 1 or not ((ious > 0) & (ious <= 1)).all():
        raise InputError("cannot match by these settings", hint="ious lie in (0, 1], and most is 1 or more")
    low, high = area or (0.0, np.inf)
    truth_area, found_area = _areas(truth, oriented), _areas(found, oriented)
    spare = truth.ignore | (truth_area < low) | (truth_area > high)
    outside = (found_area < low) | (found_area > high)
    kept: list[np.ndarray] = []
    hits: list[np.ndarray] = []
    voids: list[np.ndarray] = []
    for number in np.unique(found.labels):
        rows = np.flatnonzero(found.labels == number)
        rows = rows[np.argsort(-found.scores[rows], kind="stable")][:most]
        among = np.flatnonzero((truth.labels == number) | (truth.labels < 0))
        chosen = _greedy(
            _overlap(truth, among, found, rows, oriented), spare[among], truth.ignore[among], ious
        )
        taken = chosen >= 0
        on_spare = taken & np.append(spare[among], False)[chosen]
        kept.append(rows)
        hits.append(taken & ~on_spare)
        voids.append(on_spare | (~taken & outside[rows]))
    order = np.concatenate([np.zeros(0, np.int64), *kept])
    none = np.zeros((len(ious), 0), bool)
    return Matched(
        labels=found.labels[order],
        scores=found.scores[order].astype(np.float64),
        hit=np.concatenate([none, *hits], axis=1),
        void=np.concatenate([none, *voids], axis=1),
        objects=np.bincount(truth.labels[~spare], minlength=len(classes)).astype(np.int64),
    )


def check(truth: Truth, found: Found, classes: int, oriented: bool) -> None:
    """Refuse what cannot be compared.

    Raises:
        InputError: as `match`.
    """
    for name, one, beside in (("truth", truth, truth.ignore), ("detections", found, found.scores)):
        count = len(one.xyxy)
        turned = [] if one.cxcywht is None else [len(one.cxcywht)]
        if {len(one.labels), len(beside), *turned} != {count}:
            raise InputError(f"{name}: arrays of unequal length", hint="give one entry for each box")
        if oriented and one.cxcywht is None:
            raise InputError(
                f"the {name} have no turned boxes", hint="give cxcywht, or compare straight boxes"
            )
        if not np.isfinite(one.xyxy).all() or (one.xyxy[:, 2:] < one.xyxy[:, :2]).any():
            raise InputError(
                f"{name}: a box that ends before it starts", hint="xyxy: left, top, right, bottom"
            )
    if not np.isfinite(found.scores).all():
        raise InputError("a score is not finite", hint="leave such detections out")
    labels = np.concatenate([truth.labels[~(truth.ignore & (truth.labels < 0))], found.labels])
    if len(labels) and not (labels.min() >= 0 and labels.max() < classes):
        raise InputError(
            f"labels {labels.min()}..{labels.max()} for {classes} classes",
            hint="count from 0; only regions to ignore may have a label below 0",
        )


def _areas(one: Truth | Found, oriented: bool) -> np.ndarray:
    return (
        one.cxcywht[:, 2] * one.cxcywht[:, 3]
        if oriented and one.cxcywht is not None
        else boxes.area(one.xyxy)
    )


def _overlap(truth: Truth, among: np.ndarray, found: Found, rows: np.ndarray, oriented: bool) -> np.ndarray:
    """IoU of each detection with each truth; with a region to ignore, the part of the detection inside it."""
    if oriented and truth.cxcywht is not None and found.cxcywht is not None:
        iou = boxes.turned_iou(found.cxcywht[rows], truth.cxcywht[among])
    else:
        iou = boxes.iou(found.xyxy[rows], truth.xyxy[among])
    crowd = truth.ignore[among]
    if crowd.any():
        own = np.maximum(_areas(found, oriented)[rows], 1e-12)[:, None]
        if oriented:
            shared = iou * (own + _areas(truth, oriented)[among]) / (1 + iou)
        else:
            shared = boxes.intersection(found.xyxy[rows], truth.xyxy[among])
        iou = np.where(crowd, shared / own, iou)
    return iou


def _greedy(overlap: np.ndarray, spare: np.ndarray, crowd: np.ndarray, ious: np.ndarray) -> np.ndarray:
    """For each threshold and detection, by falling score, the truth that it takes; -1 for none."""
    enough = np.minimum(ious, 1 - 1e-10)[:, None]
    chosen = np.full((len(ious), len(overlap)), -1)
    taken = np.zeros((len(ious), len(crowd)), bool)
    possible = overlap >= enough.min()
    for row in np.flatnonzero(possible.any(axis=1)):
        near = np.flatnonzero(possible[row])
        if len(near) > 1:  # objects before spare ones, then the most overlap, then the later
            late = np.arange(len(near))
            near = near[np.lexsort((late, overlap[row, near], ~spare[near]))[::-1]]
        free = (overlap[row, near] >= enough) & (crowd[near] | ~taken[:, near])
        best, some = near[free.argmax(axis=1)], np.flatnonzero(free.any(axis=1))
        chosen[some, row] = best[some]
        taken[some, best[some]] = True
    return chosen
