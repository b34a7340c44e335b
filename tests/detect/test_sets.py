"""A part of a set wherever it lies."""

import numpy as np
import pytest
from detect.scenes import make_set

from vedette.detect.formats import FORMATS
from vedette.detect.sets import SIGNS, narrowed, open_set
from vedette.errors import InputError, UnknownNameError


@pytest.fixture
def folder(tmp_path):
    make_set(tmp_path, 3, name="train_coco.json")
    make_set(tmp_path, 2, first=5, name="val_coco.json")
    return tmp_path


def test_a_file_is_itself_and_a_folder_has_parts(folder):
    assert len(open_set(folder / "val_coco.json", "train").images) == 2
    assert len(open_set(folder).images) == 3
    assert len(open_set(folder, "val").images) == 2


def test_only_some_classes_from_a_file_and_from_a_folder(folder):
    for source in (folder, folder / "train_coco.json"):
        boxes = open_set(source, only=("boat",))
        assert boxes.classes == ("boat",) and boxes.objects == 3


def test_a_published_format_is_seen_by_what_lies_there(tmp_path):
    (tmp_path / "images" / "train").mkdir(parents=True)
    (tmp_path / "labels" / "train").mkdir(parents=True)
    made, _ = make_set(tmp_path / "images" / "train", 2)
    for image in made.images:
        (tmp_path / "labels" / "train" / f"{image.path.stem}.txt").write_text("1 0.5 0.5 0.25 0.125\n")
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/train\nnames: [car, boat]\n")
    boxes = open_set(tmp_path)
    assert boxes.classes == ("car", "boat")
    assert boxes.images[0].xyxy.tolist() == [[36, 42, 60, 54]] and boxes.images[0].labels.tolist() == [1]
    assert open_set(tmp_path, only=("boat",)).objects == 2
    with pytest.raises(InputError, match="'test'") as caught:
        open_set(tmp_path, "test")
    assert "train" in caught.value.hint


def test_signs_are_of_formats_that_are_read():
    assert set(SIGNS) <= set(FORMATS)


def test_places_without_a_set_are_refused(tmp_path):
    for source, options, hint in (
        (tmp_path / "absent", {}, "folder"),
        (tmp_path, {}, "--format"),
        (tmp_path, {"kind": "yollo"}, "yolo"),
    ):
        with pytest.raises(InputError) as caught:
            open_set(source, **options)
        assert hint in caught.value.hint
    with pytest.raises(UnknownNameError):
        open_set(tmp_path, kind="nothing")


def test_narrowing_renames_labels_and_keeps_regions_to_ignore(tmp_path):
    from dataclasses import replace

    boxes, _ = make_set(tmp_path, 1, classes=("car", "boat", "van"))
    first = replace(
        boxes.images[0],
        xyxy=np.array([[0, 0, 4, 4], [5, 5, 9, 9], [10, 0, 14, 4], [20, 0, 30, 9]], dtype=np.float64),
        labels=np.array([0, 1, 2, 0]),
        ignore=np.array([False, False, False, True]),
        cxcywht=np.arange(20.0).reshape(4, 5),
    )
    made = narrowed(replace(boxes, images=(first,)), ("van", "boat"))
    image = made.images[0]
    assert made.classes == ("van", "boat") and made.objects == 2
    assert image.labels[~image.ignore].tolist() == [1, 0] and image.ignore.tolist() == [False, False, True]
    assert image.cxcywht[:, 0].tolist() == [5, 10, 15]
    with pytest.raises(InputError, match="'bus'") as caught:
        narrowed(boxes, ("bus",))
    assert "car, boat, van" in caught.value.hint
