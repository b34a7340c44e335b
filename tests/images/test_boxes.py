"""Overlaps against loops over pixels and hand calculations; turned boxes against geometry that must hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.images.boxes import (
    area,
    closeness,
    corners,
    hull,
    intersection,
    ios,
    iou,
    turned_from_corners,
    turned_iou,
)

SQUARE = [0.0, 0.0, 2.0, 2.0, 0.0]
turned_boxes = st.tuples(
    st.floats(-50, 50), st.floats(-50, 50), st.floats(0.5, 40), st.floats(0.5, 40), st.floats(-1.57, 1.57)
)


def whole_boxes(count, seed):
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 20, (count, 2))
    return np.concatenate([low, low + rng.integers(1, 12, (count, 2))], 1).astype(np.float64)


def pixels(box):
    left, top, right, bottom = box.astype(int)
    return {(x, y) for x in range(left, right) for y in range(top, bottom)}


def test_overlaps_are_those_of_sets_of_pixels():
    a, b = whole_boxes(30, 0), whole_boxes(40, 1)
    for i, one in enumerate(a):
        for j, two in enumerate(b):
            p, q = pixels(one), pixels(two)
            assert intersection(a, b)[i, j] == len(p & q)
            assert iou(a, b)[i, j] == pytest.approx(len(p & q) / len(p | q))
            assert ios(a, b)[i, j] == pytest.approx(len(p & q) / min(len(p), len(q)))
    assert area(a).tolist() == [len(pixels(box)) for box in a]


def test_closeness_falls_with_the_distance_of_centers():
    box = np.array([[0.0, 0.0, 4.0, 9.0]])  # as large as a square of 6
    apart = [box + [step, 0, step, 0] for step in (0.0, 3.0, 6.0, 9.0)]
    assert np.concatenate([closeness(box, other) for other in apart])[:, 0] == pytest.approx([1, 0.5, 0, 0])
    larger = np.array([[-4.0, 0.5, 8.0, 8.5]])  # 12 x 8, the same center
    assert closeness(box, larger)[0, 0] == pytest.approx(1)


def test_no_boxes_overlap_nothing():
    none, some = np.zeros((0, 4)), whole_boxes(3, 2)
    for measure in (iou, ios, closeness):
        assert measure(none, some).shape == (0, 3) and measure(some, none).shape == (3, 0)
    assert turned_iou(np.zeros((0, 5)), np.array([SQUARE])).shape == (0, 1)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (SQUARE, 1.0),
        ([0.0, 0.0, 2.0, 2.0, np.pi / 4], 8 * (2**0.5 - 1) / (8 - 8 * (2**0.5 - 1))),  # a regular octagon
        ([0.0, 0.0, 2.0, 2.0, np.pi / 2], 1.0),
        ([0.0, 0.0, 1.0, 1.0, 0.3], 0.25),  # inside
        ([0.0, 0.0, 4.0, 4.0, 0.7], 0.25),  # around
        ([2.0, 0.0, 2.0, 2.0, 0.0], 0.0),  # touches with a side
        ([1 + 2**0.5, 0.0, 2.0, 2.0, np.pi / 4], 0.0),  # touches with a corner
        ([9.0, 9.0, 2.0, 2.0, 0.4], 0.0),
        ([1.0, 0.0, 2.0, 2.0, 0.0], 1 / 3),
        ([0.0, 0.0, 8.0, 0.5, np.pi / 4], 0.5 * (2 * 2**0.5 - 0.5) / 1),  # a bar along the diagonal
    ],
)
def test_turned_overlaps_by_hand(box, expected):
    if box[2:] == [8.0, 0.5, np.pi / 4]:  # the square cuts triangles of a quarter of 0.5 off the bar's ends
        shared = 0.5 * 2 * 2**0.5 - 2 * 0.25**2
        expected = shared / (4 + 4 - shared)
    assert turned_iou(np.array([SQUARE]), np.array([box]))[0, 0] == pytest.approx(expected, abs=1e-9)


def test_turned_overlaps_are_those_of_points_counted():
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 10, (100_000, 2))
    boxes = np.concatenate(
        [rng.uniform(3, 7, (6, 2)), rng.uniform(1, 6, (6, 2)), rng.uniform(-2, 2, (6, 1))], 1
    )

    def inside(box):
        x, y = (points - box[:2]).T
        u, v = x * np.cos(box[4]) + y * np.sin(box[4]), y * np.cos(box[4]) - x * np.sin(box[4])
        return (abs(u) < box[2] / 2) & (abs(v) < box[3] / 2)

    within = [inside(box) for box in boxes]
    wide = [box for box in boxes if (hull(box[None]) > 0).all() and (hull(box[None]) < 10).all()]
    assert len(wide) >= 3  # whole boxes in the field of points
    for one, p in zip(boxes, within, strict=True):
        for two, q in zip(boxes, within, strict=True):
            if any(one is w for w in wide) or any(two is w for w in wide):
                shared = turned_iou(one[None], two[None])[0, 0]
                union = one[2] * one[3] + two[2] * two[3]
                counted = (p & q).mean() * 100
                assert shared == pytest.approx(counted / (union - counted), abs=0.02)


def test_straight_boxes_are_turned_ones_at_angle_0():
    a, b = whole_boxes(20, 4), whole_boxes(20, 5)
    turned = [
        np.concatenate([(c[:, :2] + c[:, 2:]) / 2, c[:, 2:] - c[:, :2], np.zeros((20, 1))], 1) for c in (a, b)
    ]
    assert np.allclose(turned_iou(*turned), iou(a, b))
    assert np.allclose(hull(turned[0]), a)


@given(turned_boxes, turned_boxes)
def test_overlap_is_symmetric_and_a_share(a, b):
    a, b = np.array([a]), np.array([b])
    assert turned_iou(a, b)[0, 0] == pytest.approx(turned_iou(b, a)[0, 0], abs=1e-6)
    assert 0 <= turned_iou(a, b)[0, 0] <= 1 + 1e-9
    assert turned_iou(a, a)[0, 0] == pytest.approx(1, abs=1e-6)


@given(turned_boxes, turned_boxes, st.floats(-3, 3), st.floats(-9, 9), st.floats(-9, 9))
def test_overlap_does_not_change_with_the_view(a, b, angle, x, y):
    def seen(box):
        cx = np.cos(angle) * box[0] - np.sin(angle) * box[1] + x
        cy = np.sin(angle) * box[0] + np.cos(angle) * box[1] + y
        return np.array([[cx, cy, box[2], box[3], box[4] + angle]])

    before = turned_iou(np.array([a]), np.array([b]))[0, 0]
    assert turned_iou(seen(a), seen(b))[0, 0] == pytest.approx(before, abs=1e-5)


@given(turned_boxes)
def test_half_a_turn_and_swapped_sides_are_the_same_box(box):
    x, y, w, h, t = box
    for other in ([x, y, w, h, t + np.pi], [x, y, h, w, t + np.pi / 2], [x, y, h, w, t - np.pi / 2]):
        assert turned_iou(np.array([box]), np.array([other]))[0, 0] == pytest.approx(1, abs=1e-6)
        assert np.allclose(hull(np.array([box])), hull(np.array([other])))


@given(turned_boxes)
def test_corners_give_the_box_back(box):
    points = corners(np.array([box]))
    assert np.allclose(turned_from_corners(points), [box], atol=1e-6)
    sides = np.linalg.norm(np.roll(points, -1, axis=1) - points, axis=2)[0]
    assert np.allclose(sides, [box[2], box[3]] * 2)
    assert (hull(np.array([box]))[0, :2] <= points[0] + 1e-9).all()
    assert np.abs(points[0] - points[0].mean(axis=0)).max() <= np.hypot(box[2], box[3]) / 2 + 1e-6


def test_the_angle_is_clockwise_on_the_screen():
    """From the x axis towards y, which points down."""
    tip = corners(np.array([[0.0, 0.0, 10.0, 0.2, np.pi / 6]]))[0, 1:3].mean(axis=0)
    assert np.allclose(tip, [5 * np.cos(np.pi / 6), 5 * 0.5])


def test_corners_of_no_rectangle_give_mean_sides():
    points = np.array([[[0.0, 0.0], [4.0, 0.0], [6.0, 2.0], [0.0, 2.0]]])
    assert turned_from_corners(points)[0].round(6).tolist() == [
        2.5,
        1.0,
        5.0,
        pytest.approx(2.236, abs=1e-3),
        0.0,
    ]


def test_sides_that_all_but_coincide_lose_nothing():
    r = np.random.default_rng(0)
    places, sides = r.uniform(-5, 5, (400, 2)).round(1), r.uniform(0.5, 5, (400, 2))
    angles = r.uniform(-3, 3, (400, 1))
    boxes = np.concatenate([places, sides, angles], axis=1)
    swapped = np.concatenate([places, sides[:, ::-1], angles + np.pi / 2], axis=1)
    for other in (boxes + [0, 0, 0, 0, np.pi], swapped):
        alike = [turned_iou(boxes[i : i + 1], other[i : i + 1])[0, 0] for i in range(len(boxes))]
        assert np.abs(np.array(alike) - 1).max() < 1e-9
