"""VEDAI's reader against numbers counted by hand, and against the published table where it is at hand."""

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from vedette.detect.formats import Options, convert, vedai
from vedette.detect.formats.report import Report
from vedette.errors import InputError

HEADER = "image_id,x,y,orient,x1,x2,x3,x4,y1,y2,y3,y4,class,FLAG1,FLAG2\n"
CAR = "100,50,0,1,1,0,80,120,120,80,40,40,60,60"  # center 100, 50; 40 x 20 pixels


def pair(folder, number, side=64, infrared=True, color=0):
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), (number % 256, color, 0)).save(folder / f"{number:08}_co.png")
    if infrared:
        Image.new("L", (side, side), number % 256).save(folder / f"{number:08}_ir.png")


def row(number, kind, x=512, y=512, half=(32, 16)):
    """A straight box around x, y of the 1024 version."""
    w, h = half
    return f"{number},{x},{y},0,{x - w},{x + w},{x + w},{x - w},{y - h},{y - h},{y + h},{y + h},{kind},1,0\n"


def table(source, rows, folds=None):
    source.mkdir(parents=True, exist_ok=True)
    (source / "annotation1024_all.csv").write_text(HEADER + "".join(rows))
    if folds is not None:
        (source / "folds.json").write_text(json.dumps(folds))


def test_a_table_row_becomes_a_box_in_the_image_s_own_pixels(tmp_path):
    pair(tmp_path, 3, side=64)
    table(tmp_path, [row(3, 11)])
    found = vedai.read(tmp_path, Options())
    (image,) = found.parts["all"].images
    # 1024 / 64 = 16: center 32, 32 and sides 64 / 16, 32 / 16
    np.testing.assert_allclose(image.xyxy, [[30, 31, 34, 33]])
    np.testing.assert_allclose(image.cxcywht, [[32, 32, 4, 2, 0]])
    assert found.parts["all"].classes == (
        "car",
        "pickup",
        "camping",
        "truck",
        "other",
        "tractor",
        "boat",
        "van",
    )
    assert image.labels.tolist() == [1]
    assert image.gsd_m == 2.0  # 0.125 m at 1024
    assert image.path_ir is not None and image.path_ir.name == "00000003_ir.png"


def test_a_label_file_has_the_corners_last_and_the_class_in_the_middle(tmp_path):
    pair(tmp_path / "Vehicules512", 7, side=512)
    folder = tmp_path / "Annotations512"
    folder.mkdir()
    # center 100 50, angle, class 9, contained, occluded, four x, four y: a square on its tip
    (folder / "00000007.txt").write_text("100 50 0.785398 9 1 0 100 110 100 90 40 50 60 50\n")
    (folder / "fold01.txt").write_text("00000007\n")
    (folder / "fold01test.txt").write_text("00000008\n")
    found = vedai.read(tmp_path, Options())
    (image,) = found.parts["all"].images
    np.testing.assert_allclose(image.xyxy, [[90, 40, 110, 60]])
    np.testing.assert_allclose(image.cxcywht, [[100, 50, 200**0.5, 200**0.5, np.pi / 4]])
    assert image.labels.tolist() == [7]
    assert image.gsd_m == 0.25


def test_coordinates_of_1024_fit_images_of_512(tmp_path):
    pair(tmp_path, 7, side=512)
    (tmp_path / "annotations1024").mkdir()
    (tmp_path / "annotations1024" / "00000007.txt").write_text("100 50 0 1 1 0 80 120 120 80 40 40 60 60")
    (image,) = vedai.read(tmp_path, Options()).parts["all"].images
    np.testing.assert_allclose(image.xyxy, [[40, 20, 60, 30]])


def test_both_sizes_at_once_need_a_choice(tmp_path):
    pair(tmp_path / "a", 7, side=512)
    pair(tmp_path / "b", 7, side=1024)
    table(tmp_path, [row(7, 1)])
    with pytest.raises(InputError, match="twice"):
        vedai.read(tmp_path, Options())
    assert vedai.read(tmp_path, Options(side=1024)).parts["all"].images[0].width == 1024


def test_folds_give_parts_or_groups(tmp_path):
    for number in (1, 2, 3):
        pair(tmp_path, number)
    table(tmp_path, [row(n, 1) for n in (1, 2, 3, 4)], {"train": [[2], [1]], "test": [[1], [2, 4]]})
    whole = vedai.read(tmp_path, Options())
    assert [image.group for image in whole.parts["all"].images] == ["fold-1", "fold-2", ""]
    assert whole.report.without_image == ["00000004"]
    second = vedai.read(tmp_path, Options(fold=2))
    assert {part: [i.path.name for i in boxes.images] for part, boxes in second.parts.items()} == {
        "train": ["00000001_co.png"],
        "val": ["00000002_co.png"],
    }
    assert any("1 images belong to neither" in note for note in second.report.notes)
    with pytest.raises(InputError, match="no fold 3"):
        vedai.read(tmp_path, Options(fold=3))


def test_an_image_in_both_parts_of_a_fold_is_a_leak(tmp_path):
    pair(tmp_path, 1)
    table(tmp_path, [row(1, 1)], {"train": [[1]], "test": [[1]]})
    assert vedai.read(tmp_path, Options(fold=1)).report.leaks == ["00000001 (train and val)"]


def test_motorcycles_are_dropped_and_become_vans_only_in_parity(tmp_path):
    pair(tmp_path, 1)
    table(tmp_path, [row(1, 7), row(1, 8), row(1, 31), row(1, 9)])
    plain = vedai.read(tmp_path, Options())
    assert plain.report.of_class == {"van": 1}
    assert {name: sum(c.values()) for name, c in plain.report.dropped.items()} == {
        "motorcycle": 1,
        "bus": 1,
        "plane": 1,
    }
    parity = vedai.read(tmp_path, Options(parity=True))
    assert parity.report.of_class == {"van": 2}
    assert set(parity.report.dropped) == {"bus", "plane"}


def test_parity_centers_the_box_on_the_annotation_and_does_not_clip(tmp_path):
    pair(tmp_path, 1, side=1024)
    # hull -10..30 and 100..120; annotated center 12, 111 instead of 10, 110
    line = "1,12,111,0,-10,30,30,-10,100,100,120,120,1,1,0\n"
    table(tmp_path, [line])
    plain = vedai.read(tmp_path, Options())
    np.testing.assert_allclose(plain.parts["all"].images[0].xyxy, [[0, 100, 30, 120]])
    assert plain.report.clipped == 1
    parity = vedai.read(tmp_path, Options(parity=True))
    np.testing.assert_allclose(parity.parts["all"].images[0].xyxy, [[-8, 101, 32, 121]])
    assert parity.report.clipped == 0


def test_rgb_alone_is_enough_and_folders_may_be_called_anything(tmp_path):
    source = tmp_path / "co_colors"
    pair(source / "econ", 1, infrared=False)
    table(source, [row(1, 1)])
    found = vedai.read(source, Options())
    assert found.parts["all"].images[0].path_ir is None
    assert found.report.notes == ["1 images have no infrared one"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + row(1, 1) + "1,2,3\n", "line 3"),
        (HEADER + row(1, 6), "a class of 1, 2, 4"),
        (HEADER + row(1, "car"), "'car'"),
        (HEADER + row(1, 1).replace("512", "inf", 1), "inf"),
        ("image_id,x,y\n1,2,3\n", "no column x1"),
        ("", "no column image_id"),
    ],
    ids=["short", "class", "word", "infinite", "columns", "empty"],
)
def test_a_bad_table_is_named_by_line(tmp_path, text, message):
    pair(tmp_path, 1)
    (tmp_path / "annotation1024_all.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        vedai.read(tmp_path, Options())


@pytest.mark.parametrize(
    "folds", ["[]", "{}", '{"train": [[1]], "test": []}', '{"train": 1, "test": 2}', "{"]
)
def test_bad_folds_are_refused(tmp_path, folds):
    (tmp_path / "folds.json").write_text(folds)
    with pytest.raises(InputError, match=r"folds\.json"):
        vedai.read_folds(tmp_path)


def test_a_missing_half_of_a_fold_is_refused(tmp_path):
    (tmp_path / "fold01.txt").write_text("00000001\n")
    with pytest.raises(InputError, match=r"no fold01test\.txt"):
        vedai.read_folds(tmp_path)


def test_lists_may_hold_paths(tmp_path):
    (tmp_path / "fold01.txt").write_text("set\\images\\00000012_co.png\n00000013\n")
    (tmp_path / "fold01test.txt").write_text("a/00000020_co.png\n")
    (fold,) = vedai.read_folds(tmp_path)
    assert (fold.train, fold.test) == ({12, 13}, {20})


def test_no_images_or_no_annotations_are_errors(tmp_path):
    with pytest.raises(InputError, match="holds no images"):
        vedai.read(tmp_path, Options())
    pair(tmp_path, 1)
    with pytest.raises(InputError, match="holds no annotations"):
        vedai.read(tmp_path, Options())


@pytest.mark.parametrize("bad", [{"fold": 0}, {"fold": 11}, {"side": 256}, {"labels": "uv"}, {"border": -1}])
def test_options_out_of_range_are_refused(bad):
    with pytest.raises(InputError):
        Options(**bad)


@pytest.fixture
def published(data_folder):
    source = data_folder / "vedai-mini-rgb-nir"
    if not source.is_dir():
        pytest.skip("no VEDAI table")
    return source


COUNTED = {
    "car": 1377,
    "pickup": 955,
    "camping": 397,
    "truck": 307,
    "other": 204,
    "tractor": 190,
    "boat": 171,
    "van": 101,
}


def counts(vehicles, parity):
    report = Report(kind="vedai")
    drawn = [one for of in vehicles.values() for one in vedai.drawn_of(of, 512, report, parity=parity)]
    return Counter(one.name for one in drawn), {n: sum(c.values()) for n, c in report.dropped.items()}


def test_the_published_table_has_the_published_counts(published):
    vehicles = vedai.read_table(published / "annotation1024_all.csv")
    assert len(vehicles) == 1246 and sum(map(len, vehicles.values())) == 3757
    assert counts(vehicles, parity=False) == (COUNTED, {"plane": 48, "motorcycle": 4, "bus": 3})
    assert counts(vehicles, parity=True) == ({**COUNTED, "van": 105}, {"plane": 48, "bus": 3})


def test_the_hull_s_center_is_off_the_annotated_one_by_what_was_measured(published):
    vehicles = [v for of in vedai.read_table(published / "annotation1024_all.csv").values() for v in of]
    corners = np.array([v.corners for v in vehicles])
    middle = (corners.min(axis=1) + corners.max(axis=1)) / 2
    off = np.linalg.norm(middle - np.array([v.center for v in vehicles]), axis=1)
    assert round(float(np.median(off)), 1) == 0.7
    assert round(float(off.max()), 1) == 5.5


def test_the_published_folds_are_ten_of_equal_size_with_ten_vans_each(published):
    folds = vedai.read_folds(published)
    assert [(len(fold.train), len(fold.test)) for fold in folds] == [(1089, 121)] * 10
    assert all(not fold.train & fold.test for fold in folds)
    assert len(set().union(*(fold.test for fold in folds))) == 1210
    vehicles = vedai.read_table(published / "annotation1024_all.csv")
    for fold in folds:
        of_fold, _ = counts({n: vehicles[n] for n in fold.test}, parity=False)
        assert of_fold["van"] == 10 and of_fold["boat"] == 17 and of_fold["car"] in (134, 135)


def test_the_published_pairs_convert(published, tmp_path):
    report = convert("vedai", published, tmp_path / "out")
    assert report.images == {"all": 3} and sum(report.of_class.values()) == 14
    ours = json.loads((tmp_path / "out" / "all_coco.json").read_text())
    theirs = json.loads((published / "coco.json").read_text())
    boxes = sorted(a["bbox"] for a in ours["annotations"])
    np.testing.assert_allclose(boxes, sorted(a["bbox"] for a in theirs["annotations"]), atol=0.51)
    assert len(report.without_image) == 1243
