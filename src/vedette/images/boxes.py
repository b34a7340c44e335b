"""Boxes: rectangles of pixels, straight or turned, and how much of them overlaps.

Straight boxes are xyxy: left, top, right, bottom, half-open, origin top left. Turned ones are cxcywht:
center, width, height, and the angle from the x axis to the width in radians, clockwise on the screen.
"""

import numpy as np
from jaxtyping import Float

Boxes = Float[np.ndarray, "n 4"]
Turned = Float[np.ndarray, "n 5"]


def area(xyxy: Boxes) -> Float[np.ndarray, " n"]:
    """Square pixels of each box.

    >>> area(np.array([[0.0, 0.0, 2.0, 3.0]])).tolist()
    [6.0]
    """
    return np.prod(xyxy[:, 2:] - xyxy[:, :2], axis=1)


def intersection(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Square pixels that each of `a` shares with each of `b`."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    return np.clip(width, 0, None) * np.clip(height, 0, None)


def iou(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union, 0 to 1.

    >>> iou(np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 3.0, 2.0]])).round(3).tolist()
    [[0.333]]
    """
    shared = intersection(a, b)
    return shared / np.maximum(area(a)[:, None] + area(b)[None] - shared, 1e-12)


def ios(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over the smaller of the two, 0 to 1: high where one box is a part of the other."""
    return intersection(a, b) / np.maximum(np.minimum(area(a)[:, None], area(b)[None]), 1e-12)


def closeness(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """1 where two centers coincide, 0 where they lie apart by the mean of the two boxes' sides or more.

    Tiny boxes that a pixel parts have little IoU left; their centers still say that they are one object.

    >>> closeness(np.array([[0.0, 0.0, 4.0, 4.0]]), np.array([[1.0, 0.0, 5.0, 4.0]])).tolist()
    [[0.75]]
    """
    apart = np.linalg.norm((a[:, None, :2] + a[:, None, 2:] - b[None, :, :2] - b[None, :, 2:]) / 2, axis=2)
    side = (np.sqrt(area(a))[:, None] + np.sqrt(area(b))[None]) / 2
    return np.clip(1 - apart / np.maximum(side, 1e-12), 0, None)


def corners(cxcywht: Turned) -> Float[np.ndarray, "n 4 2"]:
    """The four corners of turned boxes, in order around each.

    >>> corners(np.array([[1.0, 1.0, 2.0, 2.0, 0.0]]))[0].tolist()
    [[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]
    """
    cos, sin = np.cos(cxcywht[:, 4]), np.sin(cxcywht[:, 4])
    along = np.stack([cos, sin], axis=1) * cxcywht[:, 2:3] / 2
    across = np.stack([-sin, cos], axis=1) * cxcywht[:, 3:4] / 2
    center = cxcywht[:, :2]
    around = (center - along - across, center + along - across, center + along + across)
    return np.stack([*around, center - along + across], axis=1)


def hull(cxcywht: Turned) -> Boxes:
    """The least straight box around each turned one.

    >>> hull(np.array([[5.0, 5.0, 4.0, 2.0, np.pi / 2]])).round(6).tolist()
    [[4.0, 3.0, 6.0, 7.0]]
    """
    points = corners(cxcywht)
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)


def turned_from_corners(points: Float[np.ndarray, "n 4 2"]) -> Turned:
    """Turned boxes of four corners in order around each: width along the first two sides' mean.

    The angle lies in [-pi/2, pi/2). Corners that make no rectangle give the one with the same center, mean
    sides and mean direction.

    >>> turned_from_corners(corners(np.array([[5.0, 6.0, 4.0, 2.0, 0.3]]))).round(6).tolist()
    [[5.0, 6.0, 4.0, 2.0, 0.3]]
    """
    along = (points[:, 1] - points[:, 0] + points[:, 2] - points[:, 3]) / 2
    across = (points[:, 3] - points[:, 0] + points[:, 2] - points[:, 1]) / 2
    angle = (np.arctan2(along[:, 1], along[:, 0]) + np.pi / 2) % np.pi - np.pi / 2
    sides = [np.linalg.norm(along, axis=1), np.linalg.norm(across, axis=1), angle]
    return np.concatenate([points.mean(axis=1), np.stack(sides, axis=1)], axis=1)


def turned_iou(a: Float[np.ndarray, "n 5"], b: Float[np.ndarray, "m 5"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of turned boxes, exact: one polygon clipped by the other's four sides.

    >>> square = np.array([[0.0, 0.0, 2.0, 2.0, 0.0]])
    >>> eighth_turn = np.array([[0.0, 0.0, 2.0, 2.0, np.pi / 4]])
    >>> turned_iou(square, eighth_turn).round(4).tolist()  # an octagon
    [[0.7071]]
    """
    shared = np.zeros((len(a), len(b)))
    # only pairs whose hulls meet are clipped
    first, second = np.nonzero(intersection(hull(a), hull(b)) > 0)
    if len(first):
        shared[first, second] = _clipped_area(corners(a)[first], corners(b)[second])
    union = (a[:, 2] * a[:, 3])[:, None] + (b[:, 2] * b[:, 3])[None] - shared
    return shared / np.maximum(union, 1e-12)


def _clipped_area(
    subject: Float[np.ndarray, "n 4 2"], clip: Float[np.ndarray, "n 4 2"]
) -> Float[np.ndarray, " n"]:
    """Area of each `subject` inside each `clip` (Sutherland-Hodgman on all pairs at once).

    Polygons are rows of as many slots as the largest needs; those not in use repeat the one before, which
    adds no area.
    """
    pairs, slots = len(subject), 4
    polygon = subject
    for side in range(4):
        start, end = clip[:, side], clip[:, (side + 1) % 4]
        edge = end - start
        away = polygon - start[:, None]
        inside = edge[:, None, 0] * away[..., 1] - edge[:, None, 1] * away[..., 0]  # > 0 to the inner side
        after, inside_after = np.roll(polygon, -1, axis=1), np.roll(inside, -1, axis=1)
        crosses = (inside >= 0) != (inside_after >= 0)
        span = np.where(crosses, inside - inside_after, 1.0)
        crossing = polygon + (inside / span)[..., None] * (after - polygon)
        # each vertex gives itself, if inside, and then the crossing of its side, if any
        points = np.stack([polygon, crossing], axis=2).reshape(pairs, 2 * slots, 2)
        kept = np.stack([inside >= 0, crosses], axis=2).reshape(pairs, 2 * slots)
        count = kept.sum(axis=1)
        slots = max(1, int(count.max()))  # one more than before, or, where sides all but coincide, a few
        order = np.argsort(~kept, axis=1, kind="stable")[:, :slots]
        polygon = np.take_along_axis(points, order[..., None], axis=1)
        last = np.take_along_axis(polygon, np.maximum(count - 1, 0)[:, None, None].repeat(2, 2), axis=1)
        polygon = np.where((np.arange(slots)[None] < count[:, None])[..., None], polygon, last)
        polygon[count == 0] = 0.0
    x, y = polygon[..., 0], polygon[..., 1]
    return np.abs((x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)) / 2
