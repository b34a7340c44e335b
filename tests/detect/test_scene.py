"""A scene in tiles gives what the scene in one piece gives: no doubles, no seams."""

from dataclasses import replace

import numpy as np
import pytest
from detect.scenes import InMemory, squares, tiny_detector

from vedette.detect.scene import Finding, find, pick
from vedette.detect.spec import DetectorSpec
from vedette.errors import InputError
from vedette.images.boxes import iou

SPEC = DetectorSpec(classes=("a", "b"), groups=(("ir", 1),), least_score=0.3)
SIZES = [(64, 64), (64, 65), (50, 40), (129, 257), (200, 130), (33, 300)]


def peaks(image):
    """Rows of every pixel brighter than its eight neighbors; brighter ones have larger boxes. It says each
    twice, a little apart, as heads do, and sees one pixel around.
    """
    bands = np.pad(image[0, 0], 1)
    h, w = image.shape[2:]
    around = [bands[i : i + h, j : j + w] for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    rows, cols = np.nonzero((image[0, 0] > np.max(around, axis=0)) & (image[0, 0] > 0.35))
    value = image[0, 0, rows, cols]
    side = 4 + 8 * value
    made = np.stack([cols + 0.5, rows + 0.5, side, side + 2, value, value > 0.6, value <= 0.6], 1)
    twice = made.copy()
    twice[:, 0] += 0.25
    twice[:, 4] *= 0.9
    return np.concatenate([made, twice]).astype(np.float32)


def dots(height, width, *, apart=17, seed=0, reduce=1):
    """A dot of its own brightness in each field of a loose grid, also on the borders of tiles of 64."""
    rng = np.random.default_rng(seed)
    image = np.zeros((1, height, width), np.uint8)
    places = []
    for y in range(0, height, apart):
        for x in range(0, width, apart):
            dy, dx = rng.integers(0, 4, 2)
            for edge in (64, 128, 192, 256):  # right before, on and after the border of a tile
                x = edge + int(rng.integers(-1, 2)) if abs(x - edge) < apart / 2 else x
                y = edge + int(rng.integers(-1, 2)) if abs(y - edge) < apart / 2 else y
            row, col = min(y + dy * (y % 64 > 8), height - 1), min(x + dx * (x % 64 > 8), width - 1)
            places.append((row, col))
    kept = []
    for row, col in sorted(set(places)):
        if all(max(abs(row - r), abs(col - c)) > 14 for r, c in kept):
            kept.append((row, col))
    for row, col in kept:
        image[0, row, col] = rng.integers(100, 255)
    return np.repeat(np.repeat(image, reduce, axis=1), reduce, axis=2), kept


def same(one, two):
    assert len(one) == len(two)
    a, b = (np.lexsort(f.xyxy.T) for f in (one, two))
    assert np.allclose(one.xyxy[a], two.xyxy[b], rtol=0, atol=1e-9)  # means of boxes round with the place
    assert np.array_equal(one.scores[a], two.scores[b]) and np.array_equal(one.labels[a], two.labels[b])
    assert (np.diff(one.scores) <= 0).all() and (np.diff(two.scores) <= 0).all()


@pytest.mark.parametrize("suppress", ["nms", "soft", "merge", "redundant"])
@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("reduce", [1, 2])
def test_tiles_make_no_difference(height, width, suppress, reduce):
    samples, places = dots(height, width, reduce=reduce)
    spec = replace(SPEC, reduce=reduce)
    sensors = InMemory(samples)
    # soft suppression lowers the second saying of each dot instead of taking it away
    least = 0.3
    tiled = find(sensors, peaks, spec, Finding(suppress=suppress, tile=64, overlap=32, least_score=least))
    whole = find(sensors, peaks, spec, Finding(suppress=suppress, tile=0, least_score=least))
    same(tiled, whole)
    if suppress != "soft":
        assert len(whole) == len(places)


@pytest.mark.parametrize("reduce", [1, 2])
def test_objects_on_the_borders_of_tiles_are_found_once(reduce):
    """Dots along both sides of a border, on it, and on the crossing of four tiles."""
    places = [(63, 20), (64, 40), (62, 63), (64, 90), (90, 64), (110, 63), (128, 128), (20, 127), (40, 128)]
    samples = np.zeros((1, 192, 192), np.uint8)
    for number, (row, col) in enumerate(places):
        samples[0, row, col] = 150 + number
    samples = samples.repeat(reduce, 1).repeat(reduce, 2)
    found = find(InMemory(samples), peaks, replace(SPEC, reduce=reduce), Finding(tile=64, overlap=32))
    centers = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2 / reduce - 0.5
    assert sorted((round(y), round(x)) for x, y in centers) == sorted(places)


@pytest.mark.parametrize("reduce", [1, 2])
def test_an_object_that_each_window_places_in_the_other_is_found_once(reduce):
    """Centers move a little with what a window sees around: here by 2.5 pixels away from its middle."""

    def drifting(image):
        rows = peaks(image)
        middle = np.array(image.shape[:1:-1]) / 2
        rows[:, :2] += 2.5 * np.sign(rows[:, :2] - middle).astype(np.float32)
        return rows

    samples = np.zeros((1, 192, 192), np.uint8)
    places = [(30, 63), (64, 20), (128, 100)]
    for number, (row, col) in enumerate(places):
        samples[0, row, col] = 240 + number
    samples = samples.repeat(reduce, 1).repeat(reduce, 2)
    spec = replace(SPEC, reduce=reduce)
    found = find(InMemory(samples), drifting, spec, Finding(tile=64, overlap=32))
    assert len(found) == 3


def test_neighbors_that_overlap_a_little_stay_two_in_tiles_too():
    """IoU 0.4: below the threshold within a window, above that of doubles at seams."""
    samples = np.zeros((1, 130, 130), np.uint8)
    samples[0, 30, 30], samples[0, 30, 34] = 220, 210
    whole = find(InMemory(samples), peaks, SPEC, Finding(tile=0))
    assert len(whole) == 2 and 0.3 < iou(whole.xyxy[:1], whole.xyxy[1:])[0, 0] < 0.5
    same(find(InMemory(samples), peaks, SPEC, Finding(tile=64, overlap=32)), whole)


def test_each_window_is_seen_once_and_progress_counts_them():
    seen, shapes = [], []

    def network(image):
        shapes.append(image.shape)
        return peaks(image)

    samples, _ = dots(129, 257)
    find(InMemory(samples), network, SPEC, Finding(tile=64, overlap=32), lambda *pair: seen.append(pair))
    assert seen == [(n, 15) for n in range(1, 16)]
    assert all(side % 32 == 0 and side <= 128 for shape in shapes for side in shape[2:])


def test_windows_stand_on_the_grid_of_the_network():
    """A network that looks at its own rows and columns sees every pixel at the same phase."""

    def phase(image):
        h, w = image.shape[2:]
        rows, cols = (part.ravel() for part in np.mgrid[8:h:32, 8:w:32])
        value = image[0, 0, rows, cols]
        four = np.full(len(rows), 4.0)
        return np.stack([cols + 0.5, rows + 0.5, four, four, value, value, 0 * value], 1).astype(np.float32)

    samples = np.full((1, 230, 300), 255, np.uint8)
    for tile in (64, 70, 100):
        same(find(InMemory(samples), phase, SPEC, Finding(tile=tile, overlap=40)),
             find(InMemory(samples), phase, SPEC, Finding(tile=0)))  # fmt: skip


def test_boxes_end_at_the_scene():
    samples = np.zeros((1, 70, 90), np.uint8)
    samples[0, 0, 0] = samples[0, 69, 89] = 255
    found = find(InMemory(samples), peaks, SPEC, Finding(tile=64))
    assert len(found) == 2
    assert found.xyxy.min() == 0 and found.xyxy[:, 2].max() == 90 and found.xyxy[:, 3].max() == 70


def test_an_empty_scene_has_nothing():
    for oriented in (False, True):
        spec = replace(SPEC, oriented=oriented)
        found = find(
            InMemory(np.zeros((1, 200, 200), np.uint8)),
            lambda image, columns=7 + oriented: np.zeros((0, columns), np.float32),
            spec,
            Finding(tile=64),
        )
        assert len(found) == 0 and (found.cxcywht is None) == (not oriented)


def test_the_score_of_the_detector_is_the_default_and_0_is_no_default():
    samples, places = dots(60, 60)
    scores = find(InMemory(samples), peaks, SPEC, Finding(tile=0)).scores
    strict = replace(SPEC, least_score=float(np.median(scores)))
    assert 0 < len(find(InMemory(samples), peaks, strict, Finding(tile=0))) < len(places)
    assert len(find(InMemory(samples), peaks, strict, Finding(tile=0, least_score=0.0))) == len(places)


def test_a_window_gives_its_best_detections_alone():
    samples, _ = dots(120, 120)
    every = find(InMemory(samples), peaks, SPEC, Finding(tile=0))
    best = find(InMemory(samples), peaks, SPEC, Finding(tile=0, most=3))
    assert np.array_equal(best.xyxy, every.xyxy[:3]) and len(every) > 30


def test_picking_of_turned_boxes_and_of_several_labels():
    rows = np.array([[20, 20, 12, 4, 0.7, 0.9, 0.8, 0.6], [50, 20, 12, 4, 0.0, 0.2, 0.1, 0.1]], np.float32)
    spec = replace(SPEC, oriented=True)
    assert pick(rows, spec, Finding()).labels.tolist() == [0]
    several = pick(rows, spec, Finding(every_label=True))
    assert several.labels.tolist() == [0, 1] and several.scores == pytest.approx([0.72, 0.54])
    assert several.cxcywht[:, 4] == pytest.approx([0.7, 0.7])


@pytest.mark.parametrize(
    "values",
    [
        {"suppress": "none"},
        {"threshold": 1.5},
        {"threshold": -0.1},
        {"least_score": 2.0},
        {"tile": 32},
        {"tile": -64},
        {"overlap": -1},
        {"most": 0},
    ],
)
def test_values_that_make_no_sense_are_refused(values):
    with pytest.raises(InputError) as caught:
        Finding(**values)
    assert caught.value.hint


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_convolutional_network_says_the_same_in_tiles(dtype):
    """Of normalizations and random weights, on 8 and 16 bits: what is left of a cut are zeros beyond the
    overlap, far from the core.
    """
    name = np.dtype(dtype).name
    detector = tiny_detector(dtype=name, peak=float(np.iinfo(dtype).max), seed=3)
    boxes = [(x, y, x + 9, y + 7) for x in range(10, 370, 45) for y in range(12, 180, 40)]
    sensors = InMemory(squares(192, 384, boxes, dtype=dtype, dark=0.3))
    network = detector.network()
    options = {"threshold": 1.0, "most": 100_000}  # within a window nothing is suppressed
    whole = find(sensors, network, detector.spec, Finding(tile=0, least_score=0.4, **options))
    tiled = find(sensors, network, detector.spec, Finding(tile=96, overlap=160, least_score=0.35, **options))
    center = (whole.xyxy[:, :2] + whole.xyxy[:, 2:]) / 2 % 96
    inner = ((center > 20) & (center < 76)).all(axis=1)  # beyond what boxes of the next window reach
    assert inner.sum() > 50
    overlaps = iou(whole.xyxy[inner], tiled.xyxy) * (whole.labels[inner, None] == tiled.labels)
    best = overlaps.argmax(axis=1)
    assert overlaps.max(axis=1).min() > 0.99
    assert np.abs(whole.scores[inner] - tiled.scores[best]).max() < 0.02
