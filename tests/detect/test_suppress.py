"""Suppression against the greedy loop that papers write down."""

import time

import numpy as np
import pytest
from detect.scenes import detections, random_detections

from vedette.detect.suppress import MEASURES, merge, merge_redundant, nms, soft_nms
from vedette.images.boxes import closeness, hull, ios, iou, turned_iou

BY = {"iou": iou, "ios": ios, "center": closeness}


def overlap(found, a, b, measure):
    if found.cxcywht is not None and measure == "iou":
        return turned_iou(found.cxcywht[[a]], found.cxcywht[[b]])[0, 0]
    return BY[measure](found.xyxy[[a]], found.xyxy[[b]])[0, 0]


def greedy(found, threshold, measure="iou"):
    """Kept boxes, each with those that it suppresses."""
    left = sorted(range(len(found)), key=lambda n: -found.scores[n])
    kept = []
    while left:
        best, *rest = left
        gone = [
            n for n in rest
            if found.labels[n] == found.labels[best] and overlap(found, best, n, measure) > threshold
        ]  # fmt: skip
        kept.append((best, gone))
        left = [n for n in rest if n not in gone]
    return kept


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_nms_is_the_greedy_loop(measure, threshold):
    for seed in range(4):
        found = random_detections(70, seed, classes=1 + seed)
        kept = greedy(found, threshold, measure)
        assert nms(found, threshold, measure).tolist() == [best for best, _ in kept]


@pytest.mark.parametrize("measure", MEASURES)
def test_nms_of_turned_boxes_is_the_greedy_loop(measure):
    found = random_detections(50, 9, turned=True, side=30)
    kept = greedy(found, 0.3, measure)
    assert nms(found, 0.3, measure).tolist() == [best for best, _ in kept]
    assert len(kept) < 50


def test_thin_turned_boxes_side_by_side_stay_two():
    """Their hulls are nearly one, they are not."""
    boxes = np.array([[20.0, 20.0, 30.0, 4.0, 0.8], [24.0, 16.0, 30.0, 4.0, 0.8]])
    found = detections(hull(boxes), cxcywht=boxes)
    assert iou(found.xyxy[:1], found.xyxy[1:])[0, 0] > 0.5
    assert len(nms(found, 0.1)) == 2
    assert len(nms(detections(found.xyxy), 0.5)) == 1


def test_the_threshold_itself_is_no_double():
    found = detections([[0, 0, 2, 2], [0, 0, 2, 4]])  # exactly a half
    assert len(nms(found, 0.5)) == 2
    assert len(nms(found, 0.499)) == 1


def test_the_first_of_equals_is_kept():
    found = detections([[0, 0, 4, 4]] * 3 + [[9, 9, 12, 12]], scores=[0.5] * 4)
    assert nms(found, 0.5).tolist() == [0, 3]


def test_a_suppressed_box_suppresses_nobody():
    """A chain of three: the middle one falls to the first, the third stays."""
    found = detections([[0, 0, 10, 4], [4, 0, 14, 4], [8, 0, 18, 4]])
    assert nms(found, 0.4).tolist() == [0, 2]


def test_classes_do_not_meet():
    found = detections([[0, 0, 4, 4]] * 2, labels=[0, 1])
    assert nms(found, 0.1).tolist() == [0, 1]
    assert len(merge(found, 0.1)) == 2 and len(merge_redundant(found, 0.1)) == 0
    assert soft_nms(found).scores.tolist() == found.scores.tolist()


def test_boxes_of_one_window_do_not_meet_across_windows_they_do():
    found = detections([[0, 0, 4, 4], [1, 0, 5, 4], [0, 0, 4, 4]])
    assert nms(found, 0.3).tolist() == [0]
    assert nms(found, 0.3, window=np.array([0, 0, 1])).tolist() == [0, 1]
    assert nms(found, 0.3, window=np.array([2, 1, 1])).tolist() == [0]


def test_nothing_gives_nothing():
    for turned in (None, []):
        found = detections([], cxcywht=turned)
        assert nms(found, 0.5).tolist() == []
        for result in (merge(found, 0.5), merge_redundant(found, 0.5), soft_nms(found)):
            assert len(result) == 0 and (result.cxcywht is None) == (turned is None)


@pytest.mark.parametrize("how", ["mean", "union"])
@pytest.mark.parametrize("turned", [False, True])
def test_merge_is_the_mean_or_the_hull_of_what_nms_removes(how, turned):
    found = random_detections(60, 5, turned=turned, side=25)
    merged = merge(found, 0.3, how=how)
    kept = greedy(found, 0.3)
    assert any(gone for _, gone in kept)
    for row, (best, gone) in enumerate(kept):
        members = [best, *gone]
        boxes, weights = found.xyxy[members], found.scores[members]
        assert merged.scores[row] == found.scores[best] and merged.labels[row] == found.labels[best]
        if how == "union":
            assert merged.xyxy[row].tolist() == [*boxes[:, :2].min(0), *boxes[:, 2:].max(0)]
        elif not turned:
            assert merged.xyxy[row] == pytest.approx(np.average(boxes, axis=0, weights=weights))
        if turned:
            centers = np.average(found.cxcywht[members, :2], axis=0, weights=weights)
            assert merged.cxcywht[row, :2] == pytest.approx(centers)
            assert merged.cxcywht[row, 4] == found.cxcywht[best, 4]
            if how == "mean":
                assert merged.xyxy[row] == pytest.approx(hull(merged.cxcywht[row : row + 1])[0])


def test_a_box_whose_sides_are_named_the_other_way_is_the_same_box():
    """Quarter and half turns: merged with itself it stays what it is."""
    box = [30.0, 40.0, 12.0, 4.0, 0.1]
    others = [[30.0, 40.0, 4.0, 12.0, 0.1 - np.pi / 2], [30.0, 40.0, 12.0, 4.0, 0.1 + np.pi]]
    boxes = np.array([box, *others])
    merged = merge(detections(hull(boxes), cxcywht=boxes), 0.5)
    assert merged.cxcywht.tolist() == [pytest.approx(box)]


def test_merging_leaves_its_input_alone():
    found = random_detections(30, 6, turned=True)
    before = found.xyxy.copy(), found.cxcywht.copy(), found.scores.copy()
    merge(found, 0.1), merge_redundant(found, 0.1), soft_nms(found)
    assert (found.xyxy == before[0]).all() and (found.cxcywht == before[1]).all()
    assert (found.scores == before[2]).all()


def test_redundant_merging_by_hand():
    """Specification section 7: means of all that overlap, single boxes dropped."""
    found = detections([[0, 0, 10, 10], [2, 0, 12, 10], [40, 40, 50, 50]], scores=[0.6, 0.2, 0.9])
    merged = merge_redundant(found, 0.6)
    assert merged.xyxy.tolist() == [pytest.approx([0.5, 0, 10.5, 10])]
    assert merged.scores.tolist() == [0.6]


def test_redundant_merging_counts_a_box_for_every_kept_one_it_overlaps():
    """The middle box is suppressed by the first, yet supports both: the released code's rule."""
    found = detections([[0, 0, 10, 4], [4, 0, 14, 4], [8, 0, 18, 4]], scores=[0.5, 0.5, 0.5])
    merged = merge_redundant(found, 0.4)
    assert merged.xyxy.tolist() == [[2, 0, 12, 4], [6, 0, 16, 4]]


@pytest.mark.parametrize("measure", MEASURES)
def test_soft_nms_is_the_loop_of_its_paper(measure):
    found = random_detections(60, 7, side=30)
    scores, left, expected = found.scores.copy(), list(range(60)), []
    while left:
        best = max(left, key=lambda n: (scores[n], -n))
        if scores[best] <= 0.01:
            break
        expected.append((best, scores[best]))
        left.remove(best)
        for n in left:
            if found.labels[n] == found.labels[best]:
                scores[n] *= np.exp(-(overlap(found, best, n, measure) ** 2) / 0.5)
    result = soft_nms(found, least=0.01, measure=measure)
    assert result.scores.tolist() == pytest.approx([score for _, score in expected])
    assert np.array_equal(result.xyxy, found.xyxy[[n for n, _ in expected]])
    assert (np.diff(result.scores) <= 0).all() and (result.scores > 0.01).all()


def test_tens_of_thousands_of_boxes_take_no_square_matrix():
    rng = np.random.default_rng(8)
    low = rng.uniform(0, 5000, (30_000, 2))
    boxes = np.repeat(np.concatenate([low, low + 8], 1), 2, axis=0)  # each one twice
    boxes[1::2] += 0.25
    found = detections(boxes, scores=rng.uniform(0.1, 1, 60_000), labels=rng.integers(0, 3, 30_000).repeat(2))
    start = time.process_time()
    kept = nms(found, 0.5)
    assert time.process_time() - start < 20
    assert 29_000 < len(kept) <= 30_000
