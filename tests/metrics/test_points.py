"""Points found by centers: known answers and a naive count."""

import numpy as np
import pytest

from vedette.errors import InputError
from vedette.metrics.points import point_f1


def pairs(*rows):
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def test_a_center_on_every_point_is_perfect():
    points = [pairs([1, 1], [5, 5]), pairs([9, 9])]
    curve = point_f1(points, points, [np.array([0.9, 0.4]), np.array([0.6])], radius_px=0.5)
    assert curve.best_f1 == 1 and curve.best == (0.4, 1, 1) and curve.objects == 3


def test_a_point_is_found_once():
    curve = point_f1([pairs([0, 0])], [pairs([0, 1], [0, 0])], [np.array([0.9, 0.8])], radius_px=2)
    assert curve.precision.tolist() == [1, 0.5] and curve.best == (0.9, 1, 1)


def test_the_nearest_free_point_is_taken():
    points, centers = pairs([0, 0], [3, 0]), pairs([1, 0], [-1, 0])
    curve = point_f1([points], [centers], [np.array([0.9, 0.8])], radius_px=2)
    assert curve.recall.tolist() == [0.5, 0.5]  # (3, 0) lies too far from the second


def test_the_radius_itself_is_near_enough_and_meters_are_pixels_times_the_scale():
    at = [pairs([0, 0])], [pairs([3, 4])], [np.array([0.5])]
    assert point_f1(*at, radius_px=5).best_f1 == 1
    assert point_f1(*at, radius_px=4.99).best_f1 == 0
    assert point_f1(*at, radius_m=2.5, gsd_m=[0.5]).best_f1 == 1
    assert point_f1(*at, radius_m=2.5, gsd_m=[0.51]).best_f1 == 0


def test_images_without_points_or_centers_count():
    points = [pairs(), pairs([0, 0]), pairs([5, 5])]
    centers = [pairs([0, 0]), pairs(), pairs([5, 5])]
    curve = point_f1(points, centers, [np.array([0.2]), np.zeros(0), np.array([0.7])], radius_px=1)
    assert curve.precision.tolist() == [1, 0.5] and curve.recall.tolist() == [0.5, 0.5]
    assert point_f1([], [], [], radius_px=1).best_f1 == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_curve_is_a_naive_count_at_each_threshold(seed):
    rng = np.random.default_rng(seed)
    points = [rng.uniform(0, 40, (n, 2)) for n in (12, 0, 25)]
    centers = [rng.uniform(0, 40, (n, 2)) for n in (20, 4, 9)]
    scores = [np.round(rng.random(len(c)), 1) for c in centers]
    curve = point_f1(points, centers, scores, radius_px=4)
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        hits = kept = 0
        for at, center, score in zip(points, centers, scores, strict=True):
            free = {tuple(p) for p in at}
            left = [(s, c) for s, c in zip(score, center, strict=True) if s >= threshold]
            for _, c in sorted(left, key=lambda pair: -pair[0]):
                near = sorted((np.hypot(*(c - p)), p) for p in free)
                kept += 1
                if near and near[0][0] <= 4:
                    hits += 1
                    free.remove(near[0][1])
        assert (precision, recall) == pytest.approx((hits / kept, hits / 37))


@pytest.mark.parametrize(
    ("points", "scores", "more", "message"),
    [
        ([pairs([0, 0])], [np.array([0.5])], {}, "radius"),
        ([pairs([0, 0])], [np.array([0.5])], {"radius_px": 1.0, "radius_m": 1.0}, "radius"),
        ([pairs([0, 0])], [np.array([0.5])], {"radius_px": 0.0}, "radius"),
        ([pairs([0, 0])], [np.array([0.5])], {"radius_m": 1.0}, "meters a pixel"),
        ([pairs([0, 0])] * 2, [np.array([0.5])], {"radius_px": 1.0}, "2, 1 and 1 images"),
        ([pairs([0, 0])], [np.array([0.5, 0.6])], {"radius_px": 1.0}, "1 centers with 2 scores"),
        ([pairs([0, np.nan])], [np.array([0.5])], {"radius_px": 1.0}, "not finite"),
    ],
)
def test_what_cannot_be_matched_is_refused(points, scores, more, message):
    with pytest.raises(InputError, match=message):
        point_f1(points, [pairs([0, 0])], scores, **more)
