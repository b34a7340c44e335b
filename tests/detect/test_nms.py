"""torch's suppression does what NumPy's does."""

import numpy as np
import pytest
import torch
from detect.scenes import random_detections

from vedette.detect import nms as tensors
from vedette.detect import suppress as arrays
from vedette.images.boxes import closeness, ios, iou


def as_tensors(found):
    """In float64: a threshold that an overlap meets exactly must be met in both."""
    return tuple(torch.from_numpy(array) for array in (found.xyxy, found.scores, found.labels))


@pytest.mark.parametrize(("measure", "by"), [("iou", iou), ("ios", ios), ("center", closeness)])
def test_overlaps_are_those_of_arrays(measure, by):
    a, b = random_detections(20, 0), random_detections(30, 1)
    measured = tensors.overlap(torch.from_numpy(a.xyxy), torch.from_numpy(b.xyxy), measure)
    assert np.allclose(measured.numpy(), by(a.xyxy, b.xyxy), atol=1e-6)
    assert measured.max() > 0.3


@pytest.mark.parametrize("measure", arrays.MEASURES)
@pytest.mark.parametrize("threshold", [0.1, 0.45, 0.8])
def test_nms_keeps_the_same_boxes(measure, threshold):
    for seed in range(5):
        found = random_detections(120, seed, classes=1 + seed)
        kept = tensors.nms(*as_tensors(found), threshold, measure)
        assert kept.tolist() == arrays.nms(found, threshold, measure).tolist()
        assert len(kept) < 120 or threshold == 0.8


@pytest.mark.parametrize("measure", arrays.MEASURES)
def test_merge_makes_the_same_boxes(measure):
    found = random_detections(100, 11, side=30)
    boxes, kept = tensors.merge(*as_tensors(found), 0.35, measure)
    expected = arrays.merge(found, 0.35, measure)
    assert np.allclose(boxes.numpy(), expected.xyxy, atol=1e-3)
    assert kept.tolist() == arrays.nms(found, 0.35, measure).tolist()
    assert not np.allclose(expected.xyxy, found.xyxy[kept.numpy()])


@pytest.mark.parametrize("measure", arrays.MEASURES)
def test_soft_nms_lowers_the_same_scores(measure):
    found = random_detections(60, 12, side=30)
    kept, scores = tensors.soft_nms(*as_tensors(found), sigma=0.4, least=0.05, measure=measure)
    expected = arrays.soft_nms(found, sigma=0.4, least=0.05, measure=measure)
    assert np.allclose(scores.numpy(), expected.scores, atol=1e-5)
    assert 0 < len(kept) < 60
    assert np.allclose(np.sort(found.xyxy[kept.numpy()].sum(1)), np.sort(expected.xyxy.sum(1)))


def test_a_long_chain_is_settled():
    """Every box overlaps its neighbors alone: each second one stays, in as many rounds as there are links."""
    left = torch.arange(40.0) * 4
    boxes = torch.stack([left, torch.zeros(40), left + 8, torch.ones(40)], 1)
    kept = tensors.nms(boxes, torch.linspace(1, 0.5, 40), torch.zeros(40, dtype=torch.int64), 0.3)
    assert kept.tolist() == list(range(0, 40, 2))


def test_no_boxes_give_none():
    none = torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64)
    assert tensors.nms(*none, 0.5).tolist() == []
    boxes, kept = tensors.merge(*none, 0.5)
    assert boxes.shape == (0, 4) and kept.tolist() == []
    kept, scores = tensors.soft_nms(*none)
    assert kept.tolist() == [] and scores.tolist() == []
