"""Scores of detectors that see everything, half of it, or something else."""

from dataclasses import replace

import numpy as np
import pytest
from detect.scenes import make_set

from vedette.detect.bands import BandGroup
from vedette.detect.evaluate import evaluate, pairs, truth_of
from vedette.detect.scene import Finding
from vedette.detect.spec import DetectorSpec
from vedette.errors import InputError

RGB = (BandGroup("rgb", (1, 2, 3)),)
SPEC = DetectorSpec(classes=("car", "boat"), groups=(("rgb", 3),))


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("set"), 4)[0]


def oracle(boxes, spec=SPEC, *, shift=0.0, only=None, swap=False):
    """A network that knows the truth of the images in their order."""
    left = list(boxes.images)

    def network(image):
        truth = left.pop(0)
        rows = []
        for box, label in zip(truth.xyxy, truth.labels, strict=True):
            if only is not None and label != only:
                continue
            name = boxes.classes[label if not swap else 1 - label]
            of_class = [float(name == known) for known in spec.classes]
            center, size = (box[:2] + box[2:]) / 2 + shift, box[2:] - box[:2]
            rows.append([*center, *size, 0.9 - 0.1 * len(left), *of_class])
        return np.array(rows, np.float32).reshape(-1, 5 + len(spec.classes))

    return network


def test_a_detector_that_sees_all_scores_1(boxes):
    seen = []
    result = evaluate(
        boxes, oracle(boxes), SPEC, RGB, draws=50, radius_m=1.0, progress=lambda *pair: seen.append(pair)
    )
    row = result.to_dict()
    for name in ("ap50", "ap50_95", "ap75", "recall", "f1", "point_f1"):
        assert row[name] == pytest.approx(1), name
    assert row["ap50_interval"] == pytest.approx([1, 1]) and row["ap50_of"] == {"car": 1, "boat": 1}
    assert (row["images"], row["objects"]) == (4, 8) and seen == [(n, 4) for n in range(1, 5)]
    by_size = row["ap50_by_size"]
    assert sum(part["objects"] for name, part in by_size.items() if "m2" not in name) >= 8


def test_a_detector_of_one_class_scores_half(boxes):
    result = evaluate(boxes, oracle(boxes, only=0), SPEC, RGB, draws=20)
    assert result.scores.ap50 == pytest.approx(0.5) and result.scores.ap50_of == {"car": 1, "boat": 0}
    assert result.points is None and "point_f1" not in result.to_dict()
    assert evaluate(boxes, oracle(boxes, swap=True), SPEC, RGB, draws=20).scores.ap50 == 0


def test_boxes_that_lie_off_lose_at_high_thresholds_and_keep_their_points(boxes):
    """1.5 pixels each way: IoU of about 0.6."""
    result = evaluate(
        boxes, oracle(boxes, shift=1.5), SPEC, RGB, draws=20, radius_m=1.1
    )  # 2.1 pixels are 1.06 m
    assert result.scores.ap50 == pytest.approx(1) and 0.1 < result.scores.ap50_95 < 0.5
    assert result.points.f1.max() == pytest.approx(1)
    near = evaluate(boxes, oracle(boxes, shift=1.5), SPEC, RGB, draws=20, radius_m=1.0)
    assert near.points.f1.max(initial=0.0) == 0


def test_labels_are_matched_by_name_not_by_number(boxes):
    """The detector knows more classes in another order."""
    spec = replace(SPEC, classes=("tree", "boat", "car"))
    scores = evaluate(boxes, oracle(boxes, spec), spec, RGB, draws=20).scores
    assert scores.ap50 == pytest.approx(1)  # of the classes that there are
    assert scores.ap50_of["boat"] == scores.ap50_of["car"] == pytest.approx(1)


def test_a_class_that_the_detector_does_not_know_is_refused(boxes):
    with pytest.raises(InputError, match="'boat'") as caught:
        evaluate(boxes, oracle(boxes), replace(SPEC, classes=("car",)), RGB)
    assert "--classes" in caught.value.hint


def test_images_of_another_type_are_refused(boxes):
    with pytest.raises(InputError, match="uint8"):
        evaluate(boxes, oracle(boxes), replace(SPEC, dtype="uint16", peak=65535.0), RGB)


def test_regions_to_ignore_count_neither_way(boxes):
    ignored = replace(boxes, images=tuple(replace(i, ignore=np.array([False, True])) for i in boxes.images))
    row = evaluate(ignored, oracle(boxes), SPEC, RGB, draws=20).to_dict()
    assert row["objects"] == 4 and row["ap50"] == pytest.approx(1) and row["f1"] == pytest.approx(1)
    truth = truth_of(ignored.images[0], np.array([1, 0]))
    assert truth.labels.tolist() == [1, -1]


def test_scores_are_of_all_detections_whatever_the_detectors_own_score(boxes):
    shy = replace(SPEC, least_score=0.95)
    assert evaluate(boxes, oracle(boxes), shy, RGB, draws=20).scores.ap50 == pytest.approx(1)
    _, founds, detections = pairs(boxes, oracle(boxes), shy, RGB, Finding())
    assert [len(found.scores) for found in founds] == [0] * 4 == [len(d) for d in detections]
