"""Average precision as COCO defines it: one number for how well boxes are found, placed and ranked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from vedette.errors import InputError
from vedette.metrics.matching import IOUS, MOST, Area, Found, Matched, Truth, match

RECALLS: Float[np.ndarray, " r"] = np.linspace(0, 1, 101)

AREAS_PX: Mapping[str, Area] = {  # square pixels; "tiny" is a part of COCO's "small"
    "tiny": (0, 16**2),
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, float("inf")),
}

AREAS_M2: Mapping[str, Area] = {  # square meters of the box on the ground
    "below 4 m2": (0, 4),  # people, animals, bicycles
    "4 to 30 m2": (4, 30),  # cars, vans, small boats
    "30 to 300 m2": (30, 300),  # trucks, houses, light aircraft
    "above 300 m2": (300, float("inf")),  # large buildings, ships, airliners
}

BLOCK = 2**20  # weights held at once


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of a detector on a set, 0 to 1, means over the classes that occur; nan where nothing counts.

    Attributes:
        ap50, ap75: average precision at IoU 0.5 and 0.75.
        ap50_95: its mean over the thresholds 0.5, 0.55, ..., 0.95; COCO's main figure.
        recall: part of the objects found at any score, mean over the thresholds; COCO's AR.
        ap50_of, ap50_95_of: by the names of the classes; nan where a class has no object.
        objects: that were to be found.
    """

    ap50: float
    ap75: float
    ap50_95: float
    recall: float
    ap50_of: Mapping[str, float]
    ap50_95_of: Mapping[str, float]
    objects: int

    @classmethod
    def of(
        cls,
        precision: Float[np.ndarray, "t k"],
        recall: Float[np.ndarray, "t k"],
        classes: Sequence[str],
        objects: int,
    ) -> "Scores":
        """The summary of average precision and recall at the thresholds `IOUS` for each class."""
        return cls(
            ap50=float(mean_known(precision[0])),
            ap75=float(mean_known(precision[5])),
            ap50_95=float(mean_known(precision.ravel())),
            recall=float(mean_known(recall.ravel())),
            ap50_of=dict(zip(classes, precision[0].tolist(), strict=True)),
            ap50_95_of=dict(zip(classes, precision.mean(axis=0).tolist(), strict=True)),
            objects=objects,
        )


def average_precision(
    truths: Sequence[Truth],
    founds: Sequence[Found],
    classes: Sequence[str],
    *,
    area_px: Area | None = None,
    area_m2: Area | None = None,
    most: int = MOST,
    oriented: bool = False,
) -> Scores:
    """COCO's scores of detections on a set of images; equal to pycocotools with boxes' own areas.

    Lin et al., Microsoft COCO, ECCV 2014. Precision is made monotone and read at 101 recalls.

    Args:
        truths, founds: one of each for every image, in the same order.
        classes: names that the labels count.
        area_px: count only objects of this size, square pixels, both ends included; see `AREAS_PX`.
        area_m2: the same in square meters; images whose `gsd_m` is unknown are left out. See `AREAS_M2`.
        most: detections kept of each class in an image; COCO's own figures have 100.
        oriented: compare turned boxes.

    Raises:
        InputError: not one of each, no image with a `gsd_m` where one is needed, two ranges of areas, or
            what `match` refuses.

    >>> box = np.array([[0.0, 0.0, 10.0, 10.0]])
    >>> truth = Truth(xyxy=box, labels=np.array([0]), ignore=np.array([False]))
    >>> found = Found(xyxy=box + np.array([0.0, 0.0, 2.0, 0.0]), labels=np.array([0]), scores=np.array([0.9]))
    >>> scores = average_precision([truth], [found], ["car"])  # IoU 10 / 12
    >>> round(scores.ap50, 6), round(scores.ap50_95, 6)
    (1.0, 0.7)
    """
    pairs = paired(truths, founds)
    if area_px is not None and area_m2 is not None:
        raise InputError("areas in pixels and in meters at once", hint="give one of area_px and area_m2")
    if area_m2 is not None:
        pairs = [(truth, found) for truth, found in pairs if truth.gsd_m is not None]
        if not pairs:
            raise InputError("no image has a gsd_m", hint="give the meters a pixel, or use area_px")
    matches = []
    for truth, found in pairs:
        area = area_px
        if area_m2 is not None and truth.gsd_m is not None:
            area = (area_m2[0] / truth.gsd_m**2, area_m2[1] / truth.gsd_m**2)
        matches.append(match(truth, found, classes, area=area, most=most, oriented=oriented))
    once = np.ones((1, len(matches)), dtype=np.int64)
    precision, recall = by_class(matches, once, len(classes))
    objects = sum(int(m.objects.sum()) for m in matches)
    return Scores.of(precision[0], recall[0], classes, objects)


def paired(truths: Sequence[Truth], founds: Sequence[Found]) -> list[tuple[Truth, Found]]:
    """Truth and detections of every image.

    Raises:
        InputError: not as many of each.
    """
    if len(truths) != len(founds):
        raise InputError(
            f"{len(truths)} truths for {len(founds)} images of detections",
            hint="give one of each for an image",
        )
    return list(zip(truths, founds, strict=True))


def by_class(
    matches: Sequence[Matched], weights: Int64[np.ndarray, "s i"], classes: int
) -> tuple[Float[np.ndarray, "s t k"], Float[np.ndarray, "s t k"]]:
    """Average precision and greatest recall of each class; nan where it has no object.

    Args:
        matches: of `i` images, all at the same `t` thresholds.
        weights: how often each of `s` samples has each image. Copies of a detection, and detections of
            equal score, are counted image by image.
    """
    thresholds = len(matches[0].hit) if matches else len(IOUS)
    precision = np.full((len(weights), thresholds, classes), np.nan)
    recall = precision.copy()
    if not matches:
        return precision, recall
    image = np.repeat(np.arange(len(matches)), [len(m.scores) for m in matches])
    labels = np.concatenate([m.labels for m in matches])
    scores = np.concatenate([m.scores for m in matches])
    hit = np.concatenate([m.hit for m in matches], axis=1)
    void = np.concatenate([m.void for m in matches], axis=1)
    total = weights @ np.stack([m.objects for m in matches])
    for number in range(classes):
        rows = np.flatnonzero(labels == number)
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        present = np.flatnonzero(total[:, number])
        size = max(1, BLOCK // max(1, len(rows)))
        for part in (present[start : start + size] for start in range(0, len(present), size)):
            weight = weights[part][:, image[rows]]
            for t in range(thresholds):
                at = hit[t, rows]
                found = np.cumsum(weight[:, at], axis=1)
                # a curve's corners are its hits: between them precision only falls
                counted = np.cumsum(weight * ~void[t, rows], axis=1)[:, at]
                precision[part, t, number], recall[part, t, number] = _areas_under(
                    found / total[part, number, None], found / (counted + np.spacing(1))
                )
    return precision, recall


def _areas_under(recall: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the monotone precision at `RECALLS`, and the last recall, of each row."""
    if not recall.shape[1]:
        return np.zeros(len(recall)), np.zeros(len(recall))
    envelope = np.zeros((len(recall), recall.shape[1] + 1))  # a recall that is never reached has precision 0
    envelope[:, :-1] = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    read = [row[np.searchsorted(at, RECALLS)] for row, at in zip(envelope, recall, strict=True)]
    return np.mean(read, axis=1), recall[:, -1]


def mean_known(values: Float[np.ndarray, "... n"]) -> Float[np.ndarray, "..."]:
    """Mean over the last axis of what is not nan; nan where nothing is left.

    >>> mean_known(np.array([[1.0, np.nan], [np.nan, np.nan]])).tolist()
    [1.0, nan]
    """
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
