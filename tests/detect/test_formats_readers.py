"""Tiny sets of each published format, their boxes counted by hand; damaged files are refused kindly."""

import json
import zlib

import numpy as np
import pytest
from PIL import Image

from vedette.detect.formats import FORMATS, Options, coco, dota, dronevehicle, hit_uav, visdrone, yolo
from vedette.detect.formats.report import Report
from vedette.detect.formats.text import image_size
from vedette.errors import InputError


def picture(path, width, height, color=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (color, 0, 0)).save(path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text))
    return path


def make_vedai(source):
    picture(source / "00000001_co.png", 64, 64)
    write(source / "annotations512" / "00000001.txt", "100 50 0 1 1 0 80 120 120 80 40 40 60 60\n")
    write(source / "folds.json", {"train": [[2]], "test": [[1]]})


def make_dota(source):
    picture(source / "train" / "images" / "P0001.png", 100, 80)
    text = (
        "imagesource:GoogleEarth\ngsd:0.15\n10 10 30 10 30 20 10 20 ship 0\n50 40 60 50 50 60 40 50 plane 1\n"
    )
    write(source / "train" / "labelTxt" / "P0001.txt", text)


def make_dronevehicle(source):
    picture(source / "train" / "trainimg" / "00001.png", 260, 240)
    picture(source / "train" / "trainimgr" / "00001.png", 260, 240)
    for folder, x in (("trainlabelr", 110), ("trainlabel", 120)):
        box = f"<bndbox><xmin>{x}</xmin><ymin>105</ymin><xmax>{x + 20}</xmax><ymax>115</ymax></bndbox>"
        points = ((130, 120), (140, 130), (130, 140), (120, 130))
        tip = "".join(f"<x{k}>{x}</x{k}><y{k}>{y}</y{k}>" for k, (x, y) in enumerate(points, start=1))
        objects = [
            f"<object><name>car</name>{box}</object>",
            f"<object><name>feright_car</name><polygon>{tip}</polygon></object>",
            f"<object><name>truvk</name>{box}</object>",
            f"<object><name>*</name>{box}</object>",
            "<object><name>bus</name><point><x>1</x><y>1</y></point></object>",
        ]
        write(source / "train" / folder / "00001.xml", f"<annotation>{''.join(objects)}</annotation>")


def make_visdrone(source):
    folder = source / "VisDrone2019-DET-train"
    picture(folder / "images" / "a.jpg", 100, 80)
    lines = [
        "10,20,30,40,1,4,0,0",
        "0,0,5,5,0,0,0,0,",
        "90,70,20,20,1,10,0,0",
        "1,1,0,5,1,1,0,0",
        "1,1,4,4,1,11,0,0",
    ]
    write(folder / "annotations" / "a.txt", "\n".join(lines))


def make_yolo(source):
    picture(source / "images" / "train" / "a.jpg", 100, 80)
    picture(source / "images" / "val" / "b.jpg", 100, 80)
    write(source / "labels" / "train" / "a.txt", "1 0.5 0.5 0.2 0.25\n0 0.95 0.5 0.2 0.25\n")
    write(
        source / "data.yaml",
        "# a set\npath: .  # it's here\ntrain: images/train\nval: images/val\n\n"
        "names:\n  0: car\n  1: 'big bus'\n",
    )


def coco_data(name="a.jpg", **more):
    return {
        "images": [{"id": 5, "file_name": name, "width": 100, "height": 80}],
        "categories": [{"id": 3, "name": "car"}, {"id": 7, "name": "bus"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 7, "bbox": [10, 20, 30, 40], "iscrowd": 0},
            {"id": 2, "image_id": 5, "category_id": 3, "bbox": [90, 70, 20, 5], "iscrowd": 0},
            {"id": 3, "image_id": 5, "category_id": 3, "bbox": [1, 1, 0, 5], "iscrowd": 0},
            {"id": 4, "image_id": 5, "category_id": 3, "bbox": [1, 1, 9, 5], "iscrowd": 1},
        ],
        **more,
    }


def make_coco(source):
    picture(source / "train2017" / "a.jpg", 100, 80)
    write(source / "annotations" / "instances_train2017.json", coco_data())


def hit_data(boxes, image="0_60_30_0_1.jpg"):
    return {
        "images": [{"id": 0, "filename": image, "width": 640, "height": 512}],
        "annotation": [
            {"id": n, "image_id": 0, "category_id": c, "bbox": b} for n, (c, b) in enumerate(boxes)
        ],
        "categories": [
            {"id": 0, "name": "Person"},
            {"id": 1, "name": "Car"},
            {"id": 4, "name": "DontCare"},
        ],
    }


def make_hit_uav(source):
    picture(source / "normal_json" / "train" / "0_60_30_0_1.jpg", 640, 512)
    straight = [(1, [600, 400, 40, 20]), (4, [0, 0, 30, 30])]
    turned = [(1, [620, 410, 44.0, 2.0, 0.4]), (4, [15, 15, 30, 30, 0.0])]
    write(source / "normal_json" / "annotations" / "train.json", hit_data(straight))
    write(source / "rotate_json" / "annotations" / "train.json", hit_data(turned))


MAKERS = {
    "vedai": make_vedai,
    "dota": make_dota,
    "dronevehicle": make_dronevehicle,
    "visdrone": make_visdrone,
    "yolo": make_yolo,
    "coco": make_coco,
    "hit-uav": make_hit_uav,
}


def only(found, part="train"):
    (image,) = found.parts[part].images
    return image


def test_every_format_has_a_maker_here():
    assert set(MAKERS) == set(FORMATS)


@pytest.mark.parametrize("kind", MAKERS)
def test_truncated_and_scrambled_labels_raise_input_errors_or_read(kind, tmp_path):
    MAKERS[kind](tmp_path)
    files = sorted(p for p in tmp_path.rglob("*") if p.is_file() and p.suffix not in (".png", ".jpg"))
    assert files
    generator = np.random.default_rng(1)
    refused = 0
    for path in files:
        whole = path.read_bytes()
        damaged = [whole[:cut] for cut in range(0, len(whole), max(1, len(whole) // 25))]
        for _ in range(25):
            scrambled = bytearray(whole)
            for at in generator.integers(len(whole), size=3):
                scrambled[at] = generator.integers(256)
            damaged.append(bytes(scrambled))
        for data in damaged:
            path.write_bytes(data)
            try:
                FORMATS[kind](tmp_path, Options())
            except InputError as error:
                refused += 1
                assert str(error) and error.hint
        path.write_bytes(whole)
    assert refused > 10


@pytest.mark.parametrize("kind", MAKERS)
def test_truncated_images_raise_input_errors(kind, tmp_path):
    MAKERS[kind](tmp_path)
    path = next(p for p in sorted(tmp_path.rglob("*")) if p.suffix in (".png", ".jpg"))
    path.write_bytes(path.read_bytes()[:12])
    with pytest.raises(InputError, match=path.name):
        FORMATS[kind](tmp_path, Options())


@pytest.mark.parametrize("kind", MAKERS)
def test_an_empty_folder_is_refused(kind, tmp_path):
    with pytest.raises(InputError):
        FORMATS[kind](tmp_path, Options())


def test_dota_has_corners_resolution_and_difficult_objects(tmp_path):
    make_dota(tmp_path)
    found = dota.read(tmp_path, Options())
    image = only(found)
    assert found.parts["train"].classes == ("plane", "ship")
    np.testing.assert_allclose(image.xyxy, [[10, 10, 30, 20], [40, 40, 60, 60]])
    np.testing.assert_allclose(image.cxcywht[0], [20, 15, 20, 10, 0])
    np.testing.assert_allclose(image.cxcywht[1], [50, 50, 200**0.5, 200**0.5, np.pi / 4])
    assert image.labels.tolist() == [1, 0] and image.ignore.tolist() == [False, True]
    assert image.gsd_m == 0.15
    assert not only(dota.read(tmp_path, Options(difficult=False))).ignore.any()
    assert only(dota.read(tmp_path, Options(oriented=False))).cxcywht is None


def test_dota_without_parts_or_head_and_with_versions(tmp_path):
    picture(tmp_path / "images" / "a.png", 50, 50)
    picture(tmp_path / "images" / "b.png", 50, 50)
    write(tmp_path / "labelTxt-v1.5" / "labelTxt" / "a.txt", "gsd:null\n1 1 5 1 5 9 1 9 container-crane\n")
    write(tmp_path / "labelTxt-v1.5" / "labelTxt" / "c.txt", "")
    found = dota.read(tmp_path, Options())
    assert only(found, "all").gsd_m is None
    assert found.report.without_labels == ["b.png"] and found.report.without_image == ["c.txt"]
    (tmp_path / "labelTxt-v2.0").mkdir()
    with pytest.raises(InputError, match="several versions"):
        dota.read(tmp_path, Options())


@pytest.mark.parametrize(
    "line", ["1 1 5 1 5 9 1", "1 1 5 1 5 9 1 x ship 0", "1 1 5 1 5 9 1 9 ship hard", "gsd:wide", "a b"]
)
def test_a_bad_line_of_dota_is_named(tmp_path, line):
    path = write(tmp_path / "P1.txt", f"1 1 5 1 5 9 1 9 ship 0\n\n{line}\n")
    with pytest.raises(InputError, match=r"P1\.txt, line 3"):
        dota.read_labels(path)


def test_dronevehicle_loses_its_border_and_its_misspellings(tmp_path):
    make_dronevehicle(tmp_path)
    found = dronevehicle.read(tmp_path, Options())
    image = only(found)
    assert (image.width, image.height, found.cut) == (60, 40, 100)
    assert image.path_ir == tmp_path / "train" / "trainimgr" / "00001.png"
    names = [found.parts["train"].classes[label] for label in image.labels]
    assert names == ["car", "freight car", "truck"]
    np.testing.assert_allclose(image.xyxy, [[10, 5, 30, 15], [20, 20, 40, 40], [10, 5, 30, 15]])
    np.testing.assert_allclose(image.cxcywht[1], [30, 30, 200**0.5, 200**0.5, np.pi / 4])
    assert {k: dict(v) for k, v in found.report.dropped.items()} == {
        "*": {"no class of the set": 1},
        "bus": {"a point, no box": 1},
    }
    other = only(dronevehicle.read(tmp_path, Options(labels="rgb")))
    np.testing.assert_allclose(other.xyxy[0], [20, 5, 40, 15])
    uncut = dronevehicle.read(tmp_path, Options(border=0))
    assert uncut.cut == 0
    np.testing.assert_allclose(only(uncut).xyxy[0], [110, 105, 130, 115])


def test_dronevehicle_that_was_cut_before_is_refused(tmp_path):
    make_dronevehicle(tmp_path)
    for side in ("trainimg", "trainimgr"):
        picture(tmp_path / "train" / side / "00001.png", 640, 512)
    with pytest.raises(InputError, match="no border"):
        dronevehicle.read(tmp_path, Options())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "DOCTYPE"),
        ("<annotation><object>", "not XML"),
        ("<a><object><name>car</name></object></a>", "object 1 has no box"),
        ("<a><object><name>car</name><bndbox><xmin>x</xmin></bndbox></object></a>", "xmin is 'x'"),
        ("<a><object><name>car</name><polygon><x1>nan</x1></polygon></object></a>", "x1 is 'nan'"),
    ],
    ids=["doctype", "cut", "no box", "word", "nan"],
)
def test_bad_xml_is_refused(tmp_path, text, message):
    path = write(tmp_path / "1.xml", text)
    with pytest.raises(InputError, match=message):
        dronevehicle.read_labels(path, Report(kind="dronevehicle"), border=0)


def test_entities_are_refused_before_they_grow(tmp_path):
    rounds = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE a [<!ENTITY e0 "boom">{rounds}]><a><object><name>&e9;</name></object></a>'
    for encoding in ("utf-8", "utf-16"):
        (tmp_path / "1.xml").write_bytes(text.encode(encoding))
        with pytest.raises(InputError, match="DOCTYPE"):
            dronevehicle.read_labels(tmp_path / "1.xml", Report(kind="dronevehicle"), border=0)


def test_visdrone_ignores_its_regions_and_drops_empty_boxes(tmp_path):
    make_visdrone(tmp_path)
    found = visdrone.read(tmp_path, Options())
    image = only(found)
    np.testing.assert_allclose(image.xyxy, [[10, 20, 40, 60], [0, 0, 5, 5], [90, 70, 100, 80], [1, 1, 5, 5]])
    assert image.labels.tolist() == [3, -1, 9, -1]
    assert image.ignore.tolist() == [False, True, False, True]
    assert found.report.of_class == {"car": 1, "motor": 1}
    assert found.report.ignored == {"ignored region": 1, "others": 1}
    assert found.report.no_area == {"pedestrian": 1} and found.report.clipped == 1
    assert image.cxcywht is None
    alone = visdrone.read(tmp_path / "VisDrone2019-DET-train", Options())
    assert list(alone.parts) == ["train"]


@pytest.mark.parametrize("line", ["1,2,3", "1,2,3,4,1,12,0,0", "1,2,3,4,1,1.5,0,0", "a,2,3,4,1,1,0,0"])
def test_a_bad_line_of_visdrone_is_named(tmp_path, line):
    path = write(tmp_path / "7.txt", f"10,20,30,40,1,4,0,0\n{line}\n")
    with pytest.raises(InputError, match=r"7\.txt, line 2"):
        visdrone.read_labels(path)


def test_yolo_is_normalized_to_the_image(tmp_path):
    make_yolo(tmp_path)
    found = yolo.read(tmp_path, Options())
    assert found.parts["train"].classes == ("car", "big bus")
    image = only(found)
    np.testing.assert_allclose(image.xyxy, [[40, 30, 60, 50], [85, 30, 100, 50]])
    assert image.labels.tolist() == [1, 0] and found.report.clipped == 1
    assert len(only(found, "val").xyxy) == 0
    assert found.report.without_labels == ["b.jpg"]
    write(tmp_path / "labels" / "train" / "stray.txt", "")
    assert yolo.read(tmp_path / "data.yaml", Options()).report.without_image == ["stray.txt"]


def test_yolo_corners_are_oriented_boxes(tmp_path):
    make_yolo(tmp_path)
    write(tmp_path / "labels" / "train" / "a.txt", "0 0.5 0.25 0.6 0.375 0.5 0.5 0.4 0.375\n")
    image = only(yolo.read(tmp_path, Options()))
    np.testing.assert_allclose(image.xyxy, [[40, 20, 60, 40]])
    np.testing.assert_allclose(image.cxcywht, [[50, 30, 200**0.5, 200**0.5, np.pi / 4]])
    write(tmp_path / "labels" / "train" / "a.txt", "0 0.5 0.25 0.6 0.375 0.5 0.5 0.4 0.375\n0 .5 .5 .1 .1\n")
    mixed = yolo.read(tmp_path, Options())
    assert only(mixed).cxcywht is None
    assert any("1 boxes have no direction" in note for note in mixed.report.notes)


@pytest.mark.parametrize(
    "text",
    [
        "names: [car, 'big, bus']\ntrain: images/train\n",
        'names: ["car",\n  "big, bus"]  # two\ntrain: images/train # images (relative to \'path\')\n',
        "train:\n- images/train\nnames:\n- car\n- 'big, bus'\nnc: 2\n",
        "train: [images/train]\nnames: {0: car, 1: 'big, bus'}\ndownload: |\n  - a: b\n  import os\n",
        "---\npath: ../nowhere\ntrain: ../images/train\ntest: images/test\n"
        'names:\n  0: car\n  1: "big, bus"\n',
    ],
)
def test_ways_to_write_a_data_yaml(tmp_path, text):
    make_yolo(tmp_path)
    write(tmp_path / "data.yaml", text)
    found = yolo.read(tmp_path, Options())
    assert {part: len(boxes.images) for part, boxes in found.parts.items()} == {"train": 1}
    assert found.parts["train"].classes == ("car", "big, bus")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images/train\n", "no names"),
        ("names: [car, car]\ntrain: images/train\n", "classes are"),
        ("names: {0: car, 2: bus}\ntrain: images/train\n", "classes"),
        ("names: [car\ntrain: images/train\n", "no end"),
        ("names: [car]\ntrain: images/nowhere\n", "images/nowhere, which is not there"),
        ("names: [car]\njust words\n", "line 2"),
    ],
)
def test_a_bad_data_yaml_is_refused(tmp_path, text, message):
    make_yolo(tmp_path)
    write(tmp_path / "data.yaml", text)
    with pytest.raises(InputError, match=message):
        yolo.read(tmp_path, Options())


def test_yolo_by_classes_txt_and_by_lists(tmp_path):
    make_yolo(tmp_path)
    (tmp_path / "data.yaml").unlink()
    write(tmp_path / "classes.txt", "car\nbus\n")
    assert set(yolo.read(tmp_path, Options()).parts) == {"train", "val"}
    write(tmp_path / "data.yaml", "names: [car, bus]\ntrain: train.txt\n")
    write(tmp_path / "train.txt", "./images/train/a.jpg\n")
    assert only(yolo.read(tmp_path, Options())).path.name == "a.jpg"
    write(tmp_path / "train.txt", "./images/train/a.jpg\nimages/gone.jpg\n")
    with pytest.raises(InputError, match=r"train\.txt, line 2"):
        yolo.read(tmp_path, Options())


def test_yolo_labels_may_lie_beside_the_images_even_below_a_folder_called_images(tmp_path):
    source = tmp_path / "images" / "set"
    picture(source / "train" / "a.jpg", 10, 10)
    write(source / "data.yaml", "names: [car]\ntrain: train\n")
    with pytest.raises(InputError, match="none of 1 images has a label file"):
        yolo.read(source, Options())
    write(source / "train" / "a.txt", "0 .5 .5 .4 .2\n")
    np.testing.assert_allclose(only(yolo.read(source, Options())).xyxy, [[3, 4, 7, 6]])


def test_yolo_in_one_folder_has_one_part(tmp_path):
    picture(tmp_path / "images" / "a.jpg", 10, 10)
    write(tmp_path / "labels" / "classes.txt", "car\n")
    write(tmp_path / "labels" / "a.txt", "0 .5 .5 .4 .2\n")
    found = yolo.read(tmp_path, Options())
    np.testing.assert_allclose(only(found, "all").xyxy, [[3, 4, 7, 6]])
    assert found.report.without_image == []


@pytest.mark.parametrize(
    "line", ["0 .5 .5 .1", "2 .5 .5 .1 .1", "0 50 50 10 10", "0 .5 .5 .1 .1 .9", "x 0 0 1 1"]
)
def test_a_bad_line_of_yolo_is_named(tmp_path, line):
    path = write(tmp_path / "7.txt", f"0 .5 .5 .1 .1\n{line}\n")
    with pytest.raises(InputError, match=r"7\.txt, line 2"):
        yolo.read_labels(path, ["car", "bus"], 100, 80)


def test_coco_is_clipped_and_empty_boxes_are_dropped(tmp_path):
    make_coco(tmp_path)
    found = coco.read(tmp_path, Options())
    image = only(found)
    assert found.parts["train"].classes == ("car", "bus")
    np.testing.assert_allclose(image.xyxy, [[10, 20, 40, 60], [90, 70, 100, 75], [1, 1, 10, 6]])
    assert image.labels.tolist() == [1, 0, 0] and image.ignore.tolist() == [False, False, True]
    assert found.report.clipped == 1 and found.report.no_area == {"car": 1}
    assert image.path == tmp_path / "train2017" / "a.jpg"


def test_one_coco_file_and_images_that_are_not_there(tmp_path):
    picture(tmp_path / "a.jpg", 100, 80)
    data = coco_data()
    data["images"].append({"id": 6, "file_name": "gone.jpg", "width": 100, "height": 80})
    path = write(tmp_path / "labels.json", data)
    found = coco.read(path, Options())
    assert list(found.parts) == ["all"] and found.report.without_image == ["gone.jpg"]


def test_coco_images_of_another_size_and_parts_of_other_classes_are_refused(tmp_path):
    make_coco(tmp_path)
    picture(tmp_path / "train2017" / "a.jpg", 80, 100)
    with pytest.raises(InputError, match="80 x 100 pixels, its labels say 100 x 80"):
        coco.read(tmp_path, Options())
    picture(tmp_path / "train2017" / "a.jpg", 100, 80)
    other = coco_data(categories=[{"id": 3, "name": "car"}, {"id": 7, "name": "van"}])
    write(tmp_path / "annotations" / "instances_val2017.json", other)
    with pytest.raises(InputError, match="another part car, bus"):
        coco.read(tmp_path, Options())


@pytest.mark.parametrize(
    "change",
    [
        {"annotations": [{"image_id": 5, "category_id": 3, "bbox": [1, 2]}]},
        {"annotations": [{"image_id": 5, "category_id": 3, "bbox": [1, 2, float("nan"), 4]}]},
        {"annotations": [{"image_id": 9, "category_id": 3, "bbox": [1, 2, 3, 4]}]},
        {"annotations": [{"image_id": 5, "category_id": 4, "bbox": [1, 2, 3, 4]}]},
        {"annotations": [{"image_id": 5, "category_id": 3, "bbox": "1234"}]},
        {"annotations": 7},
        {"categories": [{"id": [], "name": "car"}]},
        {"images": [{"id": 5, "file_name": "a.jpg", "width": "wide", "height": 80}]},
        {"images": [{"id": 5, "width": 100, "height": 80}]},
    ],
)
def test_bad_coco_is_refused(tmp_path, change):
    make_coco(tmp_path)
    write(tmp_path / "annotations" / "instances_train2017.json", coco_data(**change))
    with pytest.raises(InputError):
        coco.read(tmp_path, Options())


def test_hit_uav_joins_straight_and_oriented_boxes(tmp_path):
    make_hit_uav(tmp_path)
    found = hit_uav.read(tmp_path, Options())
    image = only(found)
    assert found.parts["train"].classes == ("Person", "Car")
    np.testing.assert_allclose(image.xyxy, [[600, 400, 640, 420], [0, 0, 30, 30]])
    np.testing.assert_allclose(image.cxcywht, [[620, 410, 44, 2, 0.4], [15, 15, 30, 30, 0]])
    assert image.ignore.tolist() == [False, True]
    assert found.report.notes == ["boxes of normal_json start with the left top corner"]


def test_hit_uav_boxes_that_start_with_the_center_are_noticed(tmp_path):
    make_hit_uav(tmp_path)
    path = tmp_path / "normal_json" / "annotations" / "train.json"
    write(path, hit_data([(1, [620, 410, 40, 20]), (0, [15, 500, 10, 20])]))
    (tmp_path / "rotate_json" / "annotations" / "train.json").unlink()
    image = only(hit_uav.read(tmp_path, Options()))
    np.testing.assert_allclose(image.xyxy, [[600, 400, 640, 420], [10, 490, 20, 510]])


@pytest.mark.parametrize("other", [(0, [620, 410, 44, 2, 0.4]), (1, [300, 410, 44, 2, 0.4])])
def test_hit_uav_boxes_that_are_not_of_one_object_are_not_joined(tmp_path, other):
    make_hit_uav(tmp_path)
    path = tmp_path / "rotate_json" / "annotations" / "train.json"
    write(path, hit_data([other, (4, [15, 15, 30, 30, 0.0])]))
    assert only(hit_uav.read(tmp_path, Options())).cxcywht is None


def test_hit_uav_with_oriented_boxes_alone(tmp_path):
    picture(tmp_path / "rotate_json" / "train" / "a.jpg", 640, 512)
    data = hit_data([(1, [100, 100, 40, 20, np.pi / 2])], "a.jpg")
    write(tmp_path / "rotate_json" / "annotations" / "train.json", data)
    image = only(hit_uav.read(tmp_path, Options()))
    np.testing.assert_allclose(image.xyxy, [[90, 80, 110, 120]])


def test_the_shipped_part_of_hit_uav_reads(data_folder):
    source = data_folder / "hit-uav-ir"
    if not source.is_dir():
        pytest.skip("no HIT-UAV")
    found = hit_uav.read(source, Options())
    assert found.report.images == {"train": 320, "val": 50}
    assert found.parts["val"].oriented and found.parts["val"].classes[0] == "Person"
    assert sum(found.report.of_class.values()) + found.report.ignored.total() == 3416


def test_a_scene_larger_than_pillow_opens_has_a_size(tmp_path):
    picture(tmp_path / "a.png", 4, 4)
    head = bytearray((tmp_path / "a.png").read_bytes())
    head[16:24] = (29200).to_bytes(4, "big") + (27620).to_bytes(4, "big")
    # the head's checksum, which Pillow verifies, over "IHDR" and its 13 bytes
    head[29:33] = zlib.crc32(head[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(head)
    assert image_size(tmp_path / "a.png") == (29200, 27620)


def test_two_images_of_one_name_are_refused(tmp_path):
    make_visdrone(tmp_path)
    picture(tmp_path / "VisDrone2019-DET-train" / "images" / "a.png", 100, 80)
    with pytest.raises(InputError, match="share a name"):
        visdrone.read(tmp_path, Options())
