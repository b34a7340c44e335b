"""Anchors: how many objects they can answer for, and better ones from the data."""

import numpy as np
import pytest

from vedette.data.boxes import BoxImage, BoxSet
from vedette.detect.anchors import best_recall, fitting, sides
from vedette.detect.models.head import ANCHORS
from vedette.errors import InputError


def set_of(xyxy, ignore=None, cxcywht=None):
    from pathlib import Path

    boxes = np.array(xyxy, dtype=np.float64).reshape(-1, 4)
    image = BoxImage(
        path=Path("a"), width=500, height=500, xyxy=boxes, labels=np.zeros(len(boxes), np.int64),
        ignore=np.zeros(len(boxes), bool) if ignore is None else np.array(ignore),
        cxcywht=None if cxcywht is None else np.array(cxcywht, dtype=np.float64),
    )  # fmt: skip
    return BoxSet(classes=("a",), images=(image, image))


def test_sides_are_those_at_the_size_of_the_network():
    boxes = set_of([[0, 0, 10, 20], [5, 5, 9, 7]], ignore=[False, True])
    assert sides(boxes, 2).tolist() == [[5, 10], [5, 10]]
    turned = set_of([[0, 0, 10, 10]], cxcywht=[[5, 5, 12, 4, 0.8]])
    assert sides(turned, 1).tolist() == [[12, 4]] * 2
    assert sides(BoxSet(classes=("a",)), 1).shape == (0, 2)


def test_recall_by_loops():
    rng = np.random.default_rng(0)
    wh = np.exp(rng.uniform(0, 6, (200, 2)))
    anchors = np.array(ANCHORS)
    hits = 0
    for w, h in wh:
        ratios = [max(w / a, a / w, h / b, b / h) for scale in anchors for a, b in scale]
        hits += min(ratios) < 4
    assert best_recall(wh, anchors) == hits / 200
    assert 0.2 < hits / 200 < 0.95
    assert best_recall(np.zeros((0, 2)), anchors) == 1.0


@pytest.mark.parametrize("scales", [1, 3])
def test_anchors_from_the_data_find_its_clusters(scales):
    rng = np.random.default_rng(1)
    true = np.array([[4 * 1.9**k, 5 * 1.9**k] for k in range(3 * scales)])
    wh = (true[:, None] * np.exp(rng.normal(0, 0.03, (3 * scales, 60, 2)))).reshape(-1, 2)
    recalls = []
    for seed in range(3):
        made = fitting(wh, scales, seed)
        assert made.shape == (scales, 3, 2)
        assert (np.diff(made.prod(2).ravel()) > 0).all()  # smallest first
        recalls.append(best_recall(wh, made))
    assert min(recalls) >= 0.99
    if scales == 1:
        assert (
            min(np.abs(np.log(fitting(wh, 1, seed).reshape(-1, 2) / true)).max() for seed in range(3)) < 0.05
        )


def test_tiny_objects_get_anchors_that_published_ones_lack():
    wh = np.random.default_rng(2).uniform(1.5, 3, (100, 2))
    assert best_recall(wh, np.array(ANCHORS[:1])) < 0.5
    assert best_recall(wh, fitting(wh, 1)) == 1.0


def test_the_same_seed_gives_the_same_anchors():
    wh = np.random.default_rng(3).uniform(2, 60, (80, 2))
    assert np.array_equal(fitting(wh, 1, 4), fitting(wh, 1, 4))


def test_too_few_objects_are_refused():
    with pytest.raises(InputError, match="8 objects for 9 anchors") as caught:
        fitting(np.ones((8, 2)), 3)
    assert caught.value.hint
