"""How well a detector finds what a set says is there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

import numpy as np

from vedette.data.boxes import BoxImage, BoxSet
from vedette.detect.bands import BandGroup, Sensors
from vedette.detect.detections import Detections
from vedette.detect.scene import Finding, Network, find
from vedette.detect.spec import DetectorSpec
from vedette.errors import InputError
from vedette.metrics.average_precision import AREAS_M2, AREAS_PX, Scores, average_precision
from vedette.metrics.bootstrap import bootstrap
from vedette.metrics.f1 import F1Curve, f1_curve
from vedette.metrics.matching import Found, Truth
from vedette.metrics.points import point_f1

LEAST = 0.001  # scores above this take part, as in publications
CURVE_IOU = 0.5


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Scores of a detector on a set.

    Args:
        scores: over all sizes; `by_size` in ranges of pixels and of square meters.
        intervals: 95 % bootstrap intervals over images of "ap50" and "ap50_95".
        points: F1, precision and recall at best, of centers within `radius_m` of the true ones; or None.
    """

    scores: Scores
    by_size: dict[str, Scores]
    curve: F1Curve
    intervals: dict[str, tuple[float, float]]
    points: F1Curve | None
    images: int

    def to_dict(self) -> dict[str, Any]:
        """Numbers for a table or JSON."""
        best = int(np.argmax(self.curve.f1)) if len(self.curve.f1) else 0
        row: dict[str, Any] = {
            "images": self.images,
            "objects": self.scores.objects,
            "ap50": self.scores.ap50,
            "ap50_interval": list(self.intervals["ap50"]),
            "ap50_95": self.scores.ap50_95,
            "ap50_95_interval": list(self.intervals["ap50_95"]),
            "ap75": self.scores.ap75,
            "recall": self.scores.recall,
            "ap50_of": {name: None if isnan(ap) else ap for name, ap in self.scores.ap50_of.items()},
            "ap50_by_size": {
                name: {"ap50": s.ap50, "objects": s.objects} for name, s in self.by_size.items() if s.objects
            },
        }
        if len(self.curve.f1):
            row |= {"f1": float(self.curve.f1[best]), "f1_at_score": float(self.curve.thresholds[best])}
        if self.points is not None and len(self.points.f1):
            row["point_f1"] = float(self.points.f1.max())
        return row


def pairs(
    boxes: BoxSet,
    network: Network,
    spec: DetectorSpec,
    groups: Sequence[BandGroup],
    finding: Finding,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[Truth], list[Found], list[Detections]]:
    """What each image holds and what is found in it.

    Args:
        groups: bands to read; an absent group's are ().

    Raises:
        InputError: classes of the set that the detector does not know, or images it cannot take.
    """
    unknown = [name for name in boxes.classes if name not in spec.classes]
    if unknown:
        raise InputError(
            f"the detector has no class {', '.join(map(repr, unknown))}",
            hint=f"it knows {', '.join(spec.classes)}; leave others out with --classes",
        )
    number = np.array([spec.classes.index(name) for name in boxes.classes], dtype=np.int64)
    truths, founds, detections = [], [], []
    for index, image in enumerate(boxes.images):
        with Sensors(image.paths, groups, spec.counts) as sensors:
            spec.check_samples(sensors.dtype)
            found = find(sensors, network, spec, finding)
        truths.append(truth_of(image, number))
        founds.append(Found(xyxy=found.xyxy, labels=found.labels, scores=found.scores, cxcywht=found.cxcywht))
        detections.append(found)
        progress(index + 1, len(boxes.images))
    return truths, founds, detections


def truth_of(image: BoxImage, number: np.ndarray) -> Truth:
    """The truth of an image, its labels renamed by `number`; regions to ignore stand for every class."""
    labels = np.where(image.ignore, -1, number[np.maximum(image.labels, 0)] if len(number) else -1)
    return Truth(
        xyxy=image.xyxy,
        labels=labels.astype(np.int64),
        ignore=image.ignore,
        cxcywht=image.cxcywht,
        gsd_m=image.gsd_m,
    )


def evaluate(
    boxes: BoxSet,
    network: Network,
    spec: DetectorSpec,
    groups: Sequence[BandGroup],
    finding: Finding | None = None,
    *,
    radius_m: float | None = None,
    draws: int = 1000,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """All scores; turned boxes are compared as such where detector and set have them.

    Args:
        radius_m: compare centers too, within so many meters.
        draws: of the bootstrap.
    """
    finding = replace(finding or Finding(), least_score=LEAST)
    truths, founds, _ = pairs(boxes, network, spec, groups, finding, progress)
    oriented = spec.oriented and boxes.oriented
    ranges: dict[str, Scores] = {}
    for name, area in AREAS_PX.items():
        ranges[name] = average_precision(truths, founds, spec.classes, area_px=area, oriented=oriented)
    if all(truth.gsd_m for truth in truths):
        for name, area in AREAS_M2.items():
            ranges[name] = average_precision(truths, founds, spec.classes, area_m2=area, oriented=oriented)
    points = None
    if radius_m is not None:
        centers = [(f.xyxy[:, :2] + f.xyxy[:, 2:]) / 2 for f in founds]
        true = [(t.xyxy[~t.ignore, :2] + t.xyxy[~t.ignore, 2:]) / 2 for t in truths]
        gsds = [image.gsd_m or 0.0 for image in boxes.images]
        points = point_f1(true, centers, [f.scores for f in founds], radius_m=radius_m, gsd_m=gsds)
    return Evaluation(
        scores=average_precision(truths, founds, spec.classes, oriented=oriented),
        by_size=ranges,
        curve=f1_curve(truths, founds, spec.classes, iou=CURVE_IOU, oriented=oriented),
        intervals=bootstrap(truths, founds, spec.classes, draws=draws, oriented=oriented),
        points=points,
        images=len(boxes.images),
    )
