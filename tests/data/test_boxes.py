"""COCO files there and back, and every way in which one may be wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest

from vedette.data.boxes import BoxImage, BoxSet, from_coco, load_coco, save_coco, to_coco
from vedette.errors import InputError


@pytest.fixture
def boxes(tmp_path):
    image = BoxImage(
        path=tmp_path / "rgb" / "a.tif",
        path_ir=tmp_path / "ir" / "a.tif",
        width=64,
        height=48,
        xyxy=np.array([[1.5, 2.0, 11.25, 12.0], [30.0, 20.0, 34.0, 28.0], [0.0, 0.0, 64.0, 5.0]]),
        labels=np.array([1, 0, 0]),
        ignore=np.array([False, False, True]),
        gsd_m=0.25,
        group="flight 3",
    )
    empty = BoxImage(
        path=tmp_path / "b.png",
        width=8,
        height=8,
        xyxy=np.zeros((0, 4)),
        labels=np.zeros(0, dtype=np.int64),
        ignore=np.zeros(0, dtype=bool),
    )
    return BoxSet(classes=("car", "truck"), images=(image, empty))


def coco(**changes):
    data = {
        "categories": [{"id": 3, "name": "truck"}, {"id": 1, "name": "car"}, {"id": 7, "name": "DontCare"}],
        "images": [{"id": "x", "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [
            {"image_id": "x", "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"image_id": "x", "category_id": 3, "bbox": [10, 10, 5, 5], "iscrowd": 1},
            {"image_id": "x", "category_id": 7, "bbox": [20, 10, 5, 5]},
        ],
    }
    return data | changes


def same(a, b):
    assert a.classes == b.classes and len(a.images) == len(b.images)
    for one, two in zip(a.images, b.images, strict=True):
        assert one.path.resolve() == two.path.resolve()
        for name in ("width", "height", "gsd_m", "group", "path_ir"):
            assert getattr(one, name) == getattr(two, name)
        assert np.allclose(one.xyxy, two.xyxy)
        assert one.labels.tolist() == two.labels.tolist() and one.ignore.tolist() == two.ignore.tolist()


def test_a_file_gives_the_set_back(boxes, tmp_path):
    save_coco(boxes, tmp_path / "set.json", "flights of May")
    data = json.loads((tmp_path / "set.json").read_text())
    assert data["images"][0]["file_name"] == "rgb/a.tif" and data["info"]["description"] == "flights of May"
    again = load_coco(tmp_path / "set.json")
    same(boxes, again)
    assert again.images[0].paths == boxes.images[0].paths and again.objects == 2
    assert again.images[1].paths == (tmp_path / "b.png",)


def test_turned_boxes_are_kept(boxes, tmp_path):
    turned = np.array([[6.0, 7.0, 10.0, 4.0, -0.5], [32.0, 24.0, 8.0, 4.0, 1.5], [32.0, 2.5, 64.0, 5.0, 0.0]])
    one = replace(boxes, images=(replace(boxes.images[0], cxcywht=turned),))
    save_coco(one, tmp_path / "set.json")
    again = load_coco(tmp_path / "set.json")
    assert one.oriented and again.oriented and not boxes.oriented
    assert np.allclose(again.images[0].cxcywht, turned)


def test_file_names_may_lie_outside_the_folder(boxes, tmp_path):
    (tmp_path / "labels").mkdir()
    save_coco(boxes, tmp_path / "labels" / "set.json")
    same(boxes, replace_paths(load_coco(tmp_path / "labels" / "set.json")))


def replace_paths(boxes):
    def resolved(image):
        return replace(image, path_ir=image.path_ir.resolve() if image.path_ir else None)

    return replace(boxes, images=tuple(resolved(image) for image in boxes.images))


def test_crowds_and_classes_to_ignore_become_regions(tmp_path):
    boxes = from_coco(coco(), tmp_path)
    image = boxes.images[0]
    assert boxes.classes == ("truck", "car") and boxes.objects == 1
    assert image.ignore.tolist() == [False, True, True]
    assert image.labels.tolist() == [1, 0, -1]
    assert image.xyxy[0].tolist() == [1, 2, 4, 6]


def test_only_some_classes_in_the_order_asked_for(tmp_path):
    boxes = from_coco(coco(), tmp_path, only=("car",))
    assert boxes.classes == ("car",)
    assert boxes.images[0].labels.tolist() == [0, -1, -1]  # the crowd of trucks stays a region
    with pytest.raises(InputError, match="'bus'") as caught:
        from_coco(coco(), tmp_path, only=("bus",))
    assert "car" in caught.value.hint


def test_the_pixel_size_is_that_of_the_transform(tmp_path):
    image = {"id": "x", "file_name": "a.png", "width": 4, "height": 4}
    for more, expected in (
        ({"gsd_m": 0.3}, 0.3),
        ({"transform": [0.6, 0, 5, 0, -0.6, 9]}, 0.6),
        ({"transform": [0.3, 0.4, 5, 0.4, -0.3, 9]}, 0.5),  # turned: 3, 4, 5
        ({}, None),
    ):
        data = coco(images=[image | more], annotations=[])
        assert from_coco(data, tmp_path).images[0].gsd_m == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    "wrong",
    [
        {"annotations": [{"image_id": "x", "category_id": 1, "bbox": [1, 2, 0, 4]}]},
        {"annotations": [{"image_id": "x", "category_id": 1, "bbox": [1, 2, float("nan"), 4]}]},
        {"annotations": [{"image_id": "x", "category_id": 1, "bbox": [1, 2, 3]}]},
        {"annotations": [{"image_id": "x", "category_id": 1, "bbox": []}]},
        {"annotations": [{"image_id": "x", "category_id": 1, "bbox": "left"}]},
        {"annotations": [{"image_id": "x", "category_id": 1, "bbox": [1, 2, 3, 4], "bbox_obb": [1, 2]}]},
        {"annotations": [{"image_id": "y", "category_id": 1, "bbox": [1, 2, 3, 4]}]},
        {"annotations": [{"image_id": "x", "category_id": 9, "bbox": [1, 2, 3, 4]}]},
        {"annotations": [{"image_id": "x", "category_id": 1}]},
        {"annotations": [7]},
        {"images": [{"id": "x", "width": 3, "height": 3}]},
        {"images": None},
        {"categories": [{"id": "one", "name": "car"}]},
        {"categories": 5},
    ],
)
def test_what_is_wrong_in_a_file_is_refused(tmp_path, wrong):
    with pytest.raises(InputError) as caught:
        from_coco(coco(**wrong), tmp_path)
    assert caught.value.hint and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no json", b"[]", b"\xff\xfe\x00", b"{}", b"null"])
def test_files_that_are_no_coco_are_refused(tmp_path, content):
    (tmp_path / "set.json").write_bytes(content)
    with pytest.raises(InputError, match=r"set\.json"):
        load_coco(tmp_path / "set.json")


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file") as caught:
        load_coco(tmp_path / "absent.json")
    assert caught.value.hint


def test_regions_to_ignore_are_written_as_crowds(boxes, tmp_path):
    entries = to_coco(boxes, tmp_path)["annotations"]
    assert [entry["iscrowd"] for entry in entries] == [0, 0, 1]
    assert entries[0]["bbox"] == [1.5, 2.0, 9.75, 10.0] and entries[0]["area"] == 97.5
    assert len({entry["id"] for entry in entries}) == 3
