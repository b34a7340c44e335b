"""What `check` says of two parts: leaks, sensors apart, sizes."""

import json
from dataclasses import replace

import numpy as np
import pytest
from detect.scenes import make_set, write_tiff

from vedette.detect.checks import check
from vedette.images import Window, open_scene


@pytest.fixture
def boxes(tmp_path):
    return make_set(tmp_path, 5)[0]


def test_clean_parts_are_called_clean(boxes):
    """Noise with two squares each: nothing alike."""
    result = check(replace(boxes, images=boxes.images[:3]), replace(boxes, images=boxes.images[3:]))
    assert [leak for leak in result.leaks if leak.kind != "looks"] == []
    row = result.row()
    assert row["test_images_touched"].endswith("of 2") and "sensors_apart" not in row
    # sides 10 x 12 and 12 x 12: the median of their roots of area
    assert result.median_side == pytest.approx((np.sqrt(120) + 12) / 2)
    assert result.anchors_fit == 1.0


def test_leaks_are_counted_by_kind_and_by_touched_image(boxes):
    test = replace(boxes, images=(boxes.images[0], replace(boxes.images[4], group="flight")))
    training = replace(
        boxes, images=(boxes.images[0], *(replace(i, group="flight") for i in boxes.images[1:3]))
    )
    seen = []
    result = check(training, test, lambda done, total: seen.append(total))
    row = result.row()
    assert "1 by bytes" in row["leaks"] and "2 by group" in row["leaks"]
    assert row["test_images_touched"] == "2 of 2" and seen == [5] * 5
    assert json.loads(json.dumps(result.to_dict()))["leaks"]


def test_sensors_that_lie_apart_are_found(tmp_path, sample_image):
    boxes, _ = make_set(tmp_path, 3)
    paired = []
    for number, image in enumerate(boxes.images):
        top = 20 * number
        write_tiff(image.path, sample_image[:, top : top + 96, 40:136], crs=None)
        second = tmp_path / f"ir{number}.tif"
        write_tiff(second, 255 - sample_image[1:2, top + 4 : top + 100, 37:133], crs=None)
        paired.append(replace(image, path_ir=second))
    result = check(replace(boxes, images=tuple(paired)), replace(boxes, images=boxes.images[:1]))
    assert len(result.shifts) == 3
    known = [shift for shift in result.shifts if shift.known]
    assert known and all((round(s.right), round(s.down)) == (3, -4) for s in known)
    assert "median 5" in result.row()["sensors_apart"] or "4.9" in result.row()["sensors_apart"]
    with open_scene(paired[0].path_ir) as scene:
        assert scene.read(Window(0, 0, 1, 1)).shape == (1, 1, 1)


def test_objects_that_anchors_miss_are_told(boxes):
    tiny = tuple(replace(i, xyxy=np.array([[5.0, 5, 7, 7], [9, 9, 29, 29]])) for i in boxes.images)
    result = check(replace(boxes, images=tiny), boxes)
    assert result.anchors_fit == 0.5
    assert "50.0 %" in result.row()["anchors_fit"]


def test_parts_without_objects_are_checked_too(boxes):
    none = tuple(
        replace(i, xyxy=np.zeros((0, 4)), labels=np.zeros(0, np.int64), ignore=np.zeros(0, bool))
        for i in boxes.images[:1]
    )
    assert check(replace(boxes, images=none), boxes).median_side == 0.0
