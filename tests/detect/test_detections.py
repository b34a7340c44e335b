"""Detections as arrays: picked from rows, moved, cut at the border."""

import numpy as np
import pytest
from detect.scenes import detections

from vedette.detect.detections import candidates, joined, nothing
from vedette.images.boxes import hull


def naive(rows, classes, oriented, least, every):
    """(box, score, label) of each candidate."""
    first, found = 5 if oriented else 4, []
    for row in rows.astype(np.float64):
        scores = [row[first] * (row[first + 1 + c] if classes > 1 else 1) for c in range(classes)]
        labels = range(classes) if every else [int(np.argmax(scores))]
        found += [(row[:first], scores[c], c) for c in labels if scores[c] > least]
    return found


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("oriented", [False, True])
@pytest.mark.parametrize("every", [False, True])
def test_candidates_are_those_of_a_loop(classes, oriented, every):
    rng = np.random.default_rng(classes)
    rows = rng.random((60, 5 + classes + oriented)).astype(np.float32)
    rows[:, :4] = rows[:, :4] * 30 + 2
    found = candidates(rows, classes=classes, oriented=oriented, least=0.3, every_label=every)
    expected = naive(rows, classes, oriented, 0.3, every)
    assert 5 < len(found) == len(expected) < 60 * classes
    assert found.scores == pytest.approx([score for _, score, _ in expected])
    assert found.labels.tolist() == [label for *_, label in expected]
    boxes = np.array([row[:4] for row, *_ in expected])
    if oriented:
        turned = np.array([row[:5] for row, *_ in expected])
        assert np.allclose(found.cxcywht, turned) and np.allclose(found.xyxy, hull(turned))
    else:
        assert found.cxcywht is None
        assert np.allclose(
            found.xyxy, np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
        )


@pytest.mark.parametrize("classes", [1, 3])
def test_no_row_or_none_above_gives_nothing(classes):
    for rows in (np.zeros((0, 5 + classes), np.float32), np.zeros((4, 5 + classes), np.float32)):
        found = candidates(rows, classes=classes, oriented=False, least=0.1)
        assert len(found) == 0 and found.xyxy.shape == (0, 4)


def test_moving_scales_first():
    boxes = [[10.0, 20.0, 4.0, 2.0, 0.5]]
    found = detections(hull(np.array(boxes)), cxcywht=boxes).moved(100, 200, 2)
    assert found.cxcywht.tolist() == [[120, 240, 8, 4, 0.5]]
    assert np.allclose(found.xyxy, hull(found.cxcywht))


def test_boxes_are_cut_at_the_border_and_gone_beyond_it():
    found = detections([[-3, 2, 5, 9], [8, 8, 20, 30], [10, 0, 14, 4], [-5, -5, 0, 3]])
    cut = found.clipped(10, 10)
    assert cut.xyxy.tolist() == [[0, 2, 5, 9], [8, 8, 10, 10]]
    assert cut.scores.tolist() == found.scores[:2].tolist()


def test_parts_are_joined_in_their_order():
    a, b = detections([[0, 0, 1, 1]], labels=[1]), detections([[2, 2, 3, 3], [4, 4, 5, 5]])
    both = joined([a, nothing(), b])
    assert both.xyxy[:, 0].tolist() == [0, 2, 4] and both.labels.tolist() == [1, 0, 0]
    assert len(joined([])) == 0 and joined([], oriented=True).cxcywht.shape == (0, 5)
    assert both.take(np.array([2, 0])).xyxy[:, 0].tolist() == [4, 0]
