"""Average precision: equal to COCO's own tools on random sets, and hand-made cases."""

import contextlib
import importlib
import io
import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.errors import InputError
from vedette.metrics.average_precision import AREAS_M2, AREAS_PX, average_precision, by_class, mean_known
from vedette.metrics.bootstrap import bootstrap
from vedette.metrics.f1 import curve_of, f1_curve
from vedette.metrics.matching import Found, Truth, match
from vedette.metrics.yolo import yolo_average_precision

CLASSES = ("car", "person", "boat")
ORACLES = ("pycocotools", "hotcoco")


def oracle(name):
    """The COCO and COCOeval of a package; on CI it must be there."""
    modules = ("pycocotools.coco", "pycocotools.cocoeval") if name == "pycocotools" else (name, name)
    load = importlib.import_module if os.environ.get("CI") else pytest.importorskip
    coco, evaluation = (load(module) for module in modules)
    return coco.COCO, evaluation.COCOeval


def random_set(seed, *, images=12, crowds=True, side=160, empty=True, ties=True):
    """Truth and detections with whole coordinates: near and far boxes, wrong classes, equal scores."""
    rng = np.random.default_rng(seed)
    truths, founds = [], []
    for number in range(images):
        count = 0 if empty and number % 5 == 0 else int(rng.integers(1, 14))
        start = rng.integers(0, side, (count, 2))
        size = rng.choice([6, 14, 30, 60, 130], (count, 1)) + rng.integers(0, 6, (count, 2))
        xyxy = np.concatenate([start, start + size], axis=1).astype(np.float64)
        labels = rng.integers(0, len(CLASSES), count)
        ignore = rng.random(count) < (0.2 if crowds else 0.0)
        near = np.repeat(xyxy, rng.integers(0, 4, count), axis=0)
        reach = np.maximum(1, (near[:, 2:] - near[:, :2]) // 5).repeat(2, axis=0).reshape(-1, 4)
        near = near + np.round(rng.uniform(-1, 1, near.shape) * reach)
        far = rng.integers(0, side, (int(rng.integers(0, 6)), 2))
        found = np.concatenate([near, np.concatenate([far, far + rng.integers(4, 50, far.shape)], axis=1)])
        if empty and number % 7 == 3:
            found = found[:0]
        found[:, 2:] = np.maximum(found[:, 2:], found[:, :2] + 1)
        guess = rng.integers(0, len(CLASSES), len(found))
        scores = rng.random(len(found))
        truths.append(Truth(xyxy=xyxy, labels=labels, ignore=ignore, gsd_m=0.25 if number % 2 else None))
        founds.append(
            Found(
                xyxy=found,
                labels=np.where(rng.random(len(found)) < 0.7, _class_of(truths[-1], found), guess),
                scores=np.round(scores, 1) if ties else scores,
            )
        )
    return truths, founds


def _class_of(truth, found):
    if not len(truth.labels):
        return np.zeros(len(found), np.int64)
    centers = (found[:, None, :2] + found[:, None, 2:]) - (truth.xyxy[None, :, :2] + truth.xyxy[None, :, 2:])
    return truth.labels[np.abs(centers).sum(axis=2).argmin(axis=1)]


def boxes_of(one):
    return [[*map(float, box[:2]), *map(float, box[2:] - box[:2])] for box in one.xyxy]


def coco(name, truths, founds, *, most, areas):
    """Precision [t, r, k, a] and recall [t, k, a] by an oracle, -1 where a class has no object."""
    kind, evaluation = oracle(name)
    annotations = [
        dict(
            image_id=image + 1, category_id=int(label) + 1, bbox=box, area=box[2] * box[3], iscrowd=int(crowd)
        )
        for image, truth in enumerate(truths)
        for box, label, crowd in zip(boxes_of(truth), truth.labels, truth.ignore, strict=True)
    ]
    data = {
        "info": {},
        "images": [dict(id=i + 1, width=400, height=400, file_name="") for i in range(len(truths))],
        "categories": [dict(id=k + 1, name=label) for k, label in enumerate(CLASSES)],
        "annotations": [dict(annotation, id=n + 1) for n, annotation in enumerate(annotations)],
    }
    results = [
        dict(image_id=image + 1, category_id=int(label) + 1, bbox=box, score=float(score))
        for image, found in enumerate(founds)
        for box, label, score in zip(boxes_of(found), found.labels, found.scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        if name == "pycocotools":
            truth = kind()
            truth.dataset = data
            truth.createIndex()
        else:
            truth = kind(data)
        run = evaluation(truth, truth.loadRes(results), "bbox")
        run.params.maxDets = [most]
        run.params.areaRng = [[float(low), float(min(high, 1e10))] for low, high in areas]
        run.params.areaRngLbl = [str(number) for number in range(len(areas))]
        run.evaluate()
        run.accumulate()
    return np.asarray(run.eval["precision"])[..., 0], np.asarray(run.eval["recall"])[..., 0]


def known_mean(values):
    return values[values > -1].mean() if (values > -1).any() else np.nan


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("most", [100, 2])
@pytest.mark.parametrize("seed", range(6))
def test_scores_are_those_of_coco_with_crowds_ties_and_sizes(name, most, seed):
    truths, founds = random_set(seed)
    areas = {"all": (0, 1e10), **AREAS_PX}
    precision, recall = coco(name, truths, founds, most=most, areas=list(areas.values()))
    for number, (size, area) in enumerate(areas.items()):
        ours = average_precision(truths, founds, CLASSES, area_px=None if size == "all" else area, most=most)
        expected = {
            "ap50": known_mean(precision[0, ..., number]),
            "ap75": known_mean(precision[5, ..., number]),
            "ap50_95": known_mean(precision[..., number]),
            "recall": known_mean(recall[..., number]),
        }
        got = {key: getattr(ours, key) for key in expected}
        assert got == pytest.approx(expected, abs=1e-9, nan_ok=True), size
        of = [known_mean(precision[0, :, k, number]) for k in range(len(CLASSES))]
        assert list(ours.ap50_of.values()) == pytest.approx(of, abs=1e-9, nan_ok=True)


def test_the_random_sets_tell_detectors_apart():
    scores = [average_precision(*random_set(seed), CLASSES).ap50_95 for seed in range(6)]
    assert min(scores) > 0.05 and max(scores) < 0.9


def test_a_class_without_objects_is_left_out_as_coco_does():
    truths, founds = random_set(3, crowds=False)
    truths = [replace(t, labels=np.minimum(t.labels, 1)) for t in truths]
    precision, _ = coco("pycocotools", truths, founds, most=100, areas=[(0, 1e10)])
    ours = average_precision(truths, founds, CLASSES, most=100)
    assert np.isnan(ours.ap50_of["boat"]) and np.isnan(ours.ap50_95_of["boat"])
    assert ours.ap50 == pytest.approx(known_mean(precision[0]), abs=1e-9)


def boxes(*rows):
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def truth_of(xyxy, labels=None, ignore=None, **more):
    labels = np.zeros(len(xyxy), np.int64) if labels is None else np.array(labels)
    return Truth(xyxy=xyxy, labels=labels, ignore=np.array(ignore or [False] * len(xyxy), bool), **more)


def found_of(xyxy, scores, labels=None, **more):
    labels = np.zeros(len(xyxy), np.int64) if labels is None else np.array(labels)
    return Found(xyxy=xyxy, labels=labels, scores=np.array(scores, dtype=np.float64), **more)


def perfect(truths):
    return [found_of(t.xyxy, np.linspace(0.9, 0.1, len(t.labels)), t.labels) for t in truths]


def test_a_perfect_detector_scores_1_and_a_silent_one_0():
    truths, _ = random_set(1, crowds=False)
    truths = [truth_of(*_apart(t)) for t in truths]
    best = average_precision(truths, perfect(truths), CLASSES)
    assert (best.ap50, best.ap50_95, best.recall) == pytest.approx((1, 1, 1))
    assert best.objects == sum(len(t.labels) for t in truths)
    silent = average_precision(truths, [found_of(boxes(), [])] * len(truths), CLASSES)
    assert (silent.ap50, silent.ap50_95, silent.recall) == (0, 0, 0)


def _apart(truth):
    """No two boxes of a set alike."""
    _, first = np.unique(truth.xyxy, axis=0, return_index=True)
    return truth.xyxy[first], truth.labels[first]


def test_without_objects_there_is_no_score():
    scores = average_precision([truth_of(boxes())], [found_of(boxes([0, 0, 9, 9]), [0.5])], CLASSES)
    assert np.isnan([scores.ap50, scores.ap75, scores.ap50_95, scores.recall]).all() and scores.objects == 0
    assert np.isnan(average_precision([], [], CLASSES).ap50)


def test_half_of_the_objects_found_and_one_false_alarm_before_them():
    truth = truth_of(boxes([0, 0, 10, 10], [50, 0, 60, 10]))
    found = found_of(boxes([80, 80, 90, 90], [0, 0, 10, 10]), [0.9, 0.8])
    scores = average_precision([truth], [found], ("car",))
    assert scores.ap50 == pytest.approx(0.5 * 51 / 101)  # recalls 0, 0.01, ..., 0.5 have precision 1/2
    assert scores.recall == 0.5


def test_of_objects_overlapped_alike_the_later_is_taken_as_coco_does():
    truth = truth_of(boxes([0, 0, 10, 10], [4, 0, 14, 10]))
    found = found_of(boxes([2, 0, 12, 10], [4, 0, 14, 10]), [0.9, 0.8])  # the second fits the later only
    assert match(truth, found, CLASSES).hit[0].tolist() == [True, False]
    precision, recall = coco("pycocotools", [truth], [found], most=100, areas=[(0, 1e10)])
    ours = average_precision([truth], [found], CLASSES, most=100)
    assert ours.ap50 == pytest.approx(known_mean(precision[0]), abs=1e-9)
    assert recall[0, 0, 0] == 0.5


def test_a_region_of_no_class_forgives_detections_of_every_class():
    truth = truth_of(boxes([0, 0, 10, 10], [100, 0, 200, 100]), [0, -1], [False, True])
    inside = found_of(
        boxes([0, 0, 10, 10], [110, 10, 130, 30], [140, 10, 160, 30]), [0.5, 0.9, 0.8], [0, 0, 1]
    )
    assert average_precision([truth], [inside], CLASSES).ap50 == pytest.approx(1)
    bare = truth_of(truth.xyxy[:1], [0])
    assert average_precision([bare], [inside], CLASSES).ap50 == pytest.approx(0.5)


def test_sizes_in_meters_are_sizes_in_pixels_at_one_scale_and_leave_out_images_of_unknown_scale():
    truths, founds = random_set(5)
    known = [(t, f) for t, f in zip(truths, founds, strict=True) if t.gsd_m is not None]
    for low, high in AREAS_M2.values():
        meters = average_precision(truths, founds, CLASSES, area_m2=(low, high))
        pixels = average_precision(*zip(*known, strict=True), CLASSES, area_px=(low * 16, high * 16))
        assert meters.objects == pixels.objects
        assert meters.ap50_95 == pytest.approx(pixels.ap50_95, nan_ok=True)


def turned(one, angle=0.0):
    size, center = one.xyxy[:, 2:] - one.xyxy[:, :2], (one.xyxy[:, :2] + one.xyxy[:, 2:]) / 2
    return replace(one, cxcywht=np.concatenate([center, size, np.full((len(size), 1), angle)], axis=1))


def test_turned_boxes_that_are_not_turned_score_as_straight_ones():
    truths, founds = random_set(2)
    # broken coordinates: whole ones make overlaps of just 1/2, which clipping rounds to either side
    founds = [replace(f, xyxy=f.xyxy + np.array([0.037, 0.011, 0.083, 0.059])) for f in founds]
    straight = average_precision(truths, founds, CLASSES)
    same = average_precision([turned(t) for t in truths], [turned(f) for f in founds], CLASSES, oriented=True)
    assert same.ap50_95 == pytest.approx(straight.ap50_95, abs=1e-9)
    assert same.recall == pytest.approx(straight.recall, abs=1e-9)


def test_a_wrong_angle_counts_only_for_turned_boxes():
    truth, found = truth_of(boxes([0, 40, 100, 50])), found_of(boxes([0, 40, 100, 50]), [0.9])
    across = [turned(truth)], [turned(found, np.pi / 2)], ("car",)
    assert average_precision(*across).ap50 == pytest.approx(1)
    assert average_precision(*across, oriented=True).ap50 == 0
    half = [turned(truth)], [turned(found, np.pi)], ("car",)
    assert average_precision(*half, oriented=True).ap50_95 == pytest.approx(1)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_weights_are_copies_of_images(seed):
    truths, founds = random_set(seed, images=6, ties=False)
    weights = np.random.default_rng(seed).multinomial(6, [1 / 6] * 6, size=3)
    matches = [match(t, f, CLASSES) for t, f in zip(truths, founds, strict=True)]
    precision, recall = by_class(matches, weights, len(CLASSES))
    for row, weight in enumerate(weights):
        copies = np.repeat(np.arange(6), weight)
        naive = average_precision([truths[i] for i in copies], [founds[i] for i in copies], CLASSES)
        assert mean_known(precision[row, 0]) == pytest.approx(naive.ap50, abs=1e-12, nan_ok=True)
        assert mean_known(precision[row].ravel()) == pytest.approx(naive.ap50_95, abs=1e-12, nan_ok=True)
        assert mean_known(recall[row].ravel()) == pytest.approx(naive.recall, abs=1e-12, nan_ok=True)


def test_the_bootstrap_interval_is_that_of_naive_draws_and_holds_the_estimate():
    truths, founds = random_set(8, images=15, ties=False)
    intervals = bootstrap(truths, founds, CLASSES, draws=40, seed=3, level=0.8)
    naive = []
    for weight in np.random.default_rng(3).multinomial(15, [1 / 15] * 15, size=40):
        copies = np.repeat(np.arange(15), weight)
        naive.append(average_precision([truths[i] for i in copies], [founds[i] for i in copies], CLASSES))
    scores = average_precision(truths, founds, CLASSES)
    for key in ("ap50", "ap50_95"):
        assert intervals[key] == pytest.approx(np.quantile([getattr(s, key) for s in naive], [0.1, 0.9]))
        assert intervals[key][0] < getattr(scores, key) < intervals[key][1]
    assert bootstrap(truths, founds, CLASSES, draws=40, seed=3, level=0.8) == intervals


def test_draws_without_objects_have_no_interval():
    ends = bootstrap([truth_of(boxes())], [found_of(boxes(), [])], CLASSES, draws=5)["ap50"]
    assert np.isnan(ends).all()


def naive_f1(truths, founds, threshold):
    """Precision and recall of the detections that are left at a threshold, counted anew."""
    hits = alarms = objects = 0
    for truth, found in zip(truths, founds, strict=True):
        keep = found.scores >= threshold
        left = replace(found, xyxy=found.xyxy[keep], labels=found.labels[keep], scores=found.scores[keep])
        one = match(truth, left, CLASSES)
        hits += int(one.hit[0].sum())
        alarms += int((~one.hit[0] & ~one.void[0]).sum())
        objects += int((~truth.ignore).sum())
    return hits / (hits + alarms), hits / objects


@pytest.mark.parametrize("seed", range(3))
def test_each_point_of_the_f1_curve_is_what_is_left_at_its_threshold(seed):
    truths, founds = random_set(seed)
    curve = f1_curve(truths, founds, CLASSES)
    assert (np.diff(curve.thresholds) < 0).all() and len(curve.thresholds) > 5
    for at, p, r, f1 in zip(curve.thresholds, curve.precision, curve.recall, curve.f1, strict=True):
        assert (p, r) == pytest.approx(naive_f1(truths, founds, at))
        assert f1 == pytest.approx(2 * p * r / (p + r) if p + r else 0)
    threshold, p, r = curve.best
    assert curve.best_f1 == pytest.approx(2 * p * r / (p + r)) and threshold in curve.thresholds


def test_f1_without_detections_or_objects():
    nothing = curve_of(np.zeros(0, bool), np.zeros(0), 3)
    assert nothing.best_f1 == 0 and nothing.best == (np.inf, 0, 0)
    alarms = curve_of(np.array([False]), np.array([0.5]), 0)
    assert alarms.best_f1 == 0 and np.isnan(alarms.recall).all()


def yolo(truth, found):
    return yolo_average_precision([truth], [found], ("car",))


def test_yolos_convention_by_hand():
    truth = truth_of(boxes([0, 0, 10, 10], [100, 0, 110, 10]))
    found = found_of(boxes([0, 0, 10, 10], [200, 0, 210, 10], [100, 0, 110, 10]), [0.9, 0.8, 0.7])
    # precision 1 to a recall of 0.5, then, after the false alarm, 2/3: the step lies between 0.49 and 0.5
    x = np.linspace(0, 1, 101)
    assert yolo(truth, found)["car"] == pytest.approx(np.trapezoid(np.where(x < 0.5, 1, 2 / 3), x), abs=1e-9)


def test_in_yolos_convention_precision_is_nothing_beyond_the_recall_reached():
    truth = truth_of(boxes([0, 0, 10, 10], [100, 0, 110, 10]))
    assert yolo(truth, found_of(boxes([0, 0, 10, 10]), [0.9]))["car"] == pytest.approx(0.505)


def test_in_yolos_convention_an_object_is_taken_once_and_half_is_not_enough():
    near = truth_of(boxes([0, 0, 10, 10], [2, 0, 12, 10]))
    both = found_of(boxes([0, 0, 10, 10], [1, 0, 11, 10]), [0.9, 0.8])  # the second takes what is left
    assert yolo(near, both)["car"] == pytest.approx(1.0)
    one = truth_of(boxes([0, 0, 10, 10]))
    twice = found_of(boxes([0, 0, 10, 9], [0, 0, 10, 10]), [0.9, 0.8])
    # the double comes after all is found: at the last of the 101 recalls alone precision is a half
    assert yolo(one, twice)["car"] == pytest.approx(0.9975)
    half = found_of(boxes([0, 0, 10, 5]), [0.9])
    assert yolo(one, half)["car"] == 0 and average_precision([one], [half], ("car",)).ap50 == pytest.approx(1)


def test_yolos_convention_of_nothing():
    assert yolo(truth_of(boxes([0, 0, 9, 9])), found_of(boxes(), []))["car"] == 0
    assert yolo(truth_of(boxes()), found_of(boxes(), [])) == {}


TRUTH, FOUND = truth_of(boxes([0, 0, 9, 9])), found_of(boxes([0, 0, 9, 9]), [0.5])


@pytest.mark.parametrize(
    ("truth", "found", "more", "message"),
    [
        (TRUTH, replace(FOUND, labels=np.array([1])), {}, "labels 0..1 for 1 classes"),
        (replace(TRUTH, labels=np.array([-1])), FOUND, {}, "labels -1..0"),
        (TRUTH, replace(FOUND, scores=np.array([np.nan])), {}, "score"),
        (TRUTH, replace(FOUND, xyxy=boxes([5, 0, 4, 9])), {}, "ends before"),
        (TRUTH, FOUND, {"oriented": True}, "no turned boxes"),
        (TRUTH, FOUND, {"area_m2": (0, 4)}, "gsd_m"),
        (TRUTH, FOUND, {"area_m2": (0, 4), "area_px": (0, 4)}, "at once"),
        (TRUTH, FOUND, {"most": 0}, "settings"),
    ],
)
def test_what_cannot_be_scored_is_refused(truth, found, more, message):
    with pytest.raises(InputError, match=message):
        average_precision([truth], [found], ("car",), **more)


def test_unequal_numbers_are_refused():
    with pytest.raises(InputError, match="2 truths for 1 images"):
        average_precision([TRUTH] * 2, [FOUND], ("car",))
    with pytest.raises(InputError, match="cannot draw"):
        bootstrap([TRUTH], [FOUND], ("car",), level=1.0)
    with pytest.raises(InputError, match="settings"):
        f1_curve([TRUTH], [FOUND], ("car",), iou=0.0)
