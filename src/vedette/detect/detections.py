"""What was found: boxes, scores and classes, as arrays; no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int64, Shaped

from vedette.images.boxes import hull


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Objects of one image or scene, pixels, best first as a rule.

    Args:
        xyxy: straight boxes; of turned ones the hull.
        scores: 0 to 1.
        labels: numbers of the classes.
        cxcywht: turned boxes (`vedette.images.boxes`), None where the detector has none.
    """

    xyxy: Float[np.ndarray, "n 4"]
    scores: Float[np.ndarray, " n"]
    labels: Int64[np.ndarray, " n"]
    cxcywht: Float[np.ndarray, "n 5"] | None = None

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: Shaped[np.ndarray, " m"]) -> "Detections":
        """Those that `index` (numbers or a mask) names, in its order."""
        turned = None if self.cxcywht is None else self.cxcywht[index]
        return Detections(
            xyxy=self.xyxy[index], scores=self.scores[index], labels=self.labels[index], cxcywht=turned
        )

    def moved(self, x: float, y: float, scale: float = 1.0) -> "Detections":
        """The same where pixels are `scale` times as fine and the image's corner lies at (x, y)."""
        turned = self.cxcywht
        if turned is not None:
            factors = np.array([scale] * 4 + [1.0])
            turned = turned * factors + np.array([x, y, 0.0, 0.0, 0.0])
        return replace(self, xyxy=self.xyxy * scale + np.array([x, y, x, y]), cxcywht=turned)

    def clipped(self, width: float, height: float) -> "Detections":
        """Straight boxes cut at the image's border; those beyond it left out. Turned ones stay whole."""
        limits = np.array([width, height, width, height], dtype=np.float64)
        inside = replace(self, xyxy=np.clip(self.xyxy, 0, limits))
        sides = inside.xyxy[:, 2:] - inside.xyxy[:, :2]
        return inside.take((sides > 0).all(axis=1))


def nothing(*, oriented: bool = False) -> Detections:
    """No detection."""
    return Detections(
        xyxy=np.zeros((0, 4)),
        scores=np.zeros(0),
        labels=np.zeros(0, dtype=np.int64),
        cxcywht=np.zeros((0, 5)) if oriented else None,
    )


def joined(parts: Sequence[Detections], *, oriented: bool = False) -> Detections:
    """All of `parts`, in their order."""
    if not parts:
        return nothing(oriented=oriented)
    turned = [part.cxcywht for part in parts if part.cxcywht is not None]
    return Detections(
        xyxy=np.concatenate([part.xyxy for part in parts]),
        scores=np.concatenate([part.scores for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        cxcywht=np.concatenate(turned) if turned else None,
    )


def candidates(
    rows: Float[np.ndarray, "n k"], *, classes: int, oriented: bool, least: float, every_label: bool = False
) -> Detections:
    """Detections of a head's decoded rows whose score is above `least`.

    A score is objectness times class; of a detector with one class it is the objectness.

    Args:
        every_label: each class above `least` of a row, as scores are compared in publications; else the best.

    >>> row = np.array([[8.0, 8.0, 4.0, 4.0, 0.5, 0.1, 0.9]])
    >>> found = candidates(row, classes=2, oriented=False, least=0.1)
    >>> found.labels.tolist(), found.scores.tolist()
    ([1], [0.45])
    """
    first = 5 if oriented else 4
    rows = rows[rows[:, first] > least].astype(np.float64)
    scores = rows[:, first : first + 1]
    if classes > 1:
        scores = scores * rows[:, first + 1 :]
    if every_label:
        index, labels = np.nonzero(scores > least)
    else:
        labels = scores.argmax(axis=1) if len(scores) else np.zeros(0, dtype=np.int64)
        index = np.nonzero(scores.max(axis=1, initial=0.0) > least)[0]
        labels = labels[index]
    center, size = rows[index, :2], rows[index, 2:4]
    turned = rows[index, :5] if oriented else None
    straight = (
        hull(turned) if turned is not None else np.concatenate([center - size / 2, center + size / 2], 1)
    )
    return Detections(
        xyxy=straight, scores=scores[index, labels], labels=labels.astype(np.int64), cxcywht=turned
    )
