"""What a conversion leaves on the disk: links, cut images, COCO that loads again, and nothing half-made."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from vedette.data.boxes import BoxImage, BoxSet, load_coco
from vedette.detect.formats import Options, Report, convert, duplicates
from vedette.errors import InputError, UnknownNameError


def visdrone(source, parts=("train", "val"), *, same=False):
    for number, part in enumerate(parts):
        folder = source / f"VisDrone2019-DET-{part}"
        (folder / "images").mkdir(parents=True)
        (folder / "annotations").mkdir()
        color = 0 if same else number
        Image.new("RGB", (100, 80), (color, 0, 0)).save(folder / "images" / "a.png")
        (folder / "annotations" / "a.txt").write_text("10,20,30,40,1,4,0,0\n0,0,5,5,0,0,0,0\n")
    return source


def dronevehicle(source, suffix):
    """A white border of 10 pixels around a gradient of 30 x 20."""
    inner = np.arange(600, dtype=np.uint8).reshape(20, 30)
    bordered = np.full((40, 50), 255, dtype=np.uint8)
    bordered[10:30, 10:40] = inner
    for folder in ("valimg", "valimgr"):
        (source / "val" / folder).mkdir(parents=True)
        Image.fromarray(bordered).convert("RGB").save(source / "val" / folder / f"1{suffix}")
    (source / "val" / "vallabelr").mkdir()
    (source / "val" / "vallabelr" / "1.xml").write_text(
        "<a><object><name>car</name><bndbox><xmin>12</xmin><ymin>13</ymin>"
        "<xmax>20</xmax><ymax>19</ymax></bndbox></object></a>"
    )
    return inner


def test_a_converted_set_loads_again_and_its_images_take_no_room(tmp_path):
    source, output = visdrone(tmp_path / "set"), tmp_path / "out"
    report = convert("visdrone", source, output)
    boxes = load_coco(output / "train_coco.json")
    (image,) = boxes.images
    assert image.path.samefile(source / "VisDrone2019-DET-train" / "images" / "a.png")
    assert image.path.is_relative_to(output / "images")
    np.testing.assert_allclose(image.xyxy, [[10, 20, 40, 60], [0, 0, 5, 5]])
    assert image.ignore.tolist() == [False, True]
    assert boxes.classes[3] == "car" and image.labels[0] == 3
    assert json.loads((output / "report.json").read_text()) == report.to_dict()
    assert report.to_dict()["objects_of_part"] == {"train": {"car": 1}, "val": {"car": 1}}
    assert not list(output.rglob(".*"))


def test_where_links_are_refused_images_are_copied(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    source, output = visdrone(tmp_path / "set"), tmp_path / "out"
    convert("visdrone", source, output)
    copy = load_coco(output / "val_coco.json").images[0].path
    original = source / "VisDrone2019-DET-val" / "images" / "a.png"
    assert not copy.samefile(original) and copy.read_bytes() == original.read_bytes()


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_border_is_cut_off_the_images_that_are_written(tmp_path, suffix):
    inner = dronevehicle(tmp_path / "set", suffix)
    convert("dronevehicle", tmp_path / "set", tmp_path / "out", options=Options(border=10))
    (image,) = load_coco(tmp_path / "out" / "val_coco.json").images
    np.testing.assert_allclose(image.xyxy, [[2, 3, 10, 9]])
    for path in image.paths:
        with Image.open(path) as written:
            assert written.size == (30, 20) == (image.width, image.height)
            if suffix == ".png":
                np.testing.assert_array_equal(np.array(written)[..., 0], inner)
            else:
                assert written.format == "JPEG"
                assert written.layer[0][1:3] == written.layer[1][1:3]  # color as fine as brightness
    with Image.open(tmp_path / "set" / "val" / "valimg" / f"1{suffix}") as source:
        assert source.size == (50, 40)


def test_a_damaged_image_leaves_no_json(tmp_path):
    dronevehicle(tmp_path / "set", ".png")
    path = tmp_path / "set" / "val" / "valimgr" / "1.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="damaged"):
        convert("dronevehicle", tmp_path / "set", tmp_path / "out", options=Options(border=10))
    assert not list((tmp_path / "out").glob("*.json"))


def test_an_interrupted_conversion_can_be_done_again_a_complete_one_is_kept(tmp_path):
    source, output = visdrone(tmp_path / "set"), tmp_path / "out"
    convert("visdrone", source, output)
    for path in output.glob("*.json"):
        path.unlink()
    convert("visdrone", source, output)
    assert not list(output.rglob(".*"))  # a link renamed onto its twin would stay behind
    with pytest.raises(InputError, match=r"train_coco\.json, val_coco\.json already"):
        convert("visdrone", source, output)


def test_places_and_names_that_will_not_do_are_refused(tmp_path):
    source = visdrone(tmp_path / "set")
    with pytest.raises(UnknownNameError, match="visdron"):
        convert("visdron", source, tmp_path / "out")
    with pytest.raises(InputError, match="there is no"):
        convert("visdrone", tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(InputError, match="in the set itself"):
        convert("visdrone", source, source / "coco")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        convert("visdrone", source, tmp_path / "file" / "out")


def test_the_same_image_in_two_parts_is_a_leak(tmp_path):
    source = visdrone(tmp_path / "set", same=True)
    assert convert("visdrone", source, tmp_path / "out").leaks == ["a.png (train) = a.png (val)"]
    other = visdrone(tmp_path / "other")
    assert convert("visdrone", other, tmp_path / "out2").leaks == []


def test_copies_within_a_part_are_no_leak_nor_are_other_images_of_the_same_length(tmp_path):
    def boxes(*names):
        nothing = {"xyxy": np.zeros((0, 4)), "labels": np.zeros(0, np.int64), "ignore": np.zeros(0, bool)}
        images = [BoxImage(path=tmp_path / name, width=1, height=1, **nothing) for name in names]
        return BoxSet(classes=("car",), images=tuple(images))

    for name, data in {"a": b"one", "b": b"one", "c": b"two", "d": b"two"}.items():
        (tmp_path / name).write_bytes(data)
    assert duplicates({"train": boxes("a", "b"), "val": boxes("c", "d")}) == []
    assert duplicates({"train": boxes("a", "c"), "val": boxes("d")}) == ["c (train) = d (val)"]


def test_images_outside_the_given_file_s_folder_keep_their_way(tmp_path):
    (tmp_path / "annotations").mkdir()
    for folder in ("p", "q"):
        (tmp_path / "pictures" / folder).mkdir(parents=True)
        Image.new("RGB", (8, 8), (1, 2, ord(folder))).save(tmp_path / "pictures" / folder / "a.png")
    data = {
        "images": [
            {"id": 0, "file_name": "../pictures/p/a.png", "width": 8, "height": 8},
            {"id": 1, "file_name": "../pictures/q/a.png", "width": 8, "height": 8},
        ],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 3, 3]}],
    }
    source = tmp_path / "annotations" / "boxes.json"
    source.write_text(json.dumps(data))
    convert("coco", source, tmp_path / "out")
    images = load_coco(tmp_path / "out" / "all_coco.json").images
    ways = [image.path.relative_to(tmp_path / "out" / "images").as_posix() for image in images]
    assert ways == ["p/a.png", "q/a.png"]


def test_a_report_is_a_table_with_all_that_was_left_out():
    report = Report(kind="dota")
    report.images.update(train=1200, val=3)
    for part, name in [("train", "ship"), ("train", "ship"), ("val", "plane")]:
        report.count(part, name)
    report.count("val", "ship", ignore=True)
    report.drop("bus", "rare")
    report.clipped = 4
    report.no_area["ship"] = 2
    report.without_image += ["a", "b", "c", "d"]
    assert report.lines() == [
        "        train    val",
        "images  1,200      3",
        "plane       0      1",
        "ship        2      0",
        "dropped: 1 bus (rare)",
        "to ignore: 1 ship",
        "clipped at the edge of the image: 4",
        "no area inside the image: 2 ship",
        "labels without image: 4: a, b, c, and 1 more",
    ]
    json.dumps(report.to_dict())
