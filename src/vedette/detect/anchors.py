"""Do the anchors fit the objects? If not, others that do."""

import numpy as np
from jaxtyping import Float

from vedette.data.boxes import BoxSet
from vedette.detect.assign import RATIO_MOST
from vedette.errors import InputError

RECALL_LEAST = 0.98  # as in YOLOv5: below, anchors are made from the data
ROUNDS = 30


def sides(boxes: BoxSet, reduce: int) -> Float[np.ndarray, "n 2"]:
    """Width and height of every object, pixels of the network's input.

    At the network's own size: the released code measured them at twice that (specification section 5).
    """
    found = []
    for image in boxes.images:
        turned = image.cxcywht
        each = image.xyxy[:, 2:] - image.xyxy[:, :2] if turned is None else turned[:, 2:4]
        found.append(each[~image.ignore])
    return np.concatenate(found or [np.zeros((0, 2))]) / reduce


def best_recall(wh: Float[np.ndarray, "n 2"], anchors: Float[np.ndarray, "s a 2"]) -> float:
    """Share of the objects that some anchor may answer for, 0 to 1.

    >>> best_recall(np.array([[10.0, 13.0], [200.0, 3.0]]), np.array([[[10.0, 13.0]]]))
    0.5
    """
    if not len(wh):
        return 1.0
    ratio = wh[:, None] / anchors.reshape(1, -1, 2)
    return float((np.maximum(ratio, 1 / ratio).max(axis=2).min(axis=1) < RATIO_MOST).mean())


def fitting(wh: Float[np.ndarray, "n 2"], scales: int, seed: int = 0) -> Float[np.ndarray, "s 3 2"]:
    """Three anchors a scale, smallest first: k-means of the logarithms of the sides.

    Raises:
        InputError: fewer objects than anchors.
    """
    count = 3 * scales
    if len(wh) < count:
        raise InputError(f"{len(wh)} objects for {count} anchors", hint="label more, or keep the anchors")
    points = np.log(wh)
    rng = np.random.default_rng(seed)
    centers = points[rng.choice(len(points), count, replace=False)]
    for _ in range(ROUNDS):
        nearest = ((points[:, None] - centers[None]) ** 2).sum(axis=2).argmin(axis=1)
        for number in range(count):
            members = points[nearest == number]
            centers[number] = members.mean(axis=0) if len(members) else points[rng.integers(len(points))]
    made = np.exp(centers)
    return made[np.argsort(made.prod(axis=1))].reshape(scales, 3, 2)
