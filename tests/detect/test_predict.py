"""From a scene to files, with a detector whose weights say where bright blocks are."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from detect.scenes import squares, tiny_detector, write_tiff
from PIL import Image

from vedette.detect import predict as module
from vedette.detect.bands import BandGroup
from vedette.detect.detector_file import save_detector
from vedette.detect.predict import load_network, predict
from vedette.detect.scene import Finding
from vedette.detect.spec import DetectorSpec
from vedette.errors import InputError, UnknownNameError, VedetteError

BLOCKS = [(20, 12, 30, 20), (70, 40, 82, 52), (100, 80, 110, 92)]
SPEC = DetectorSpec(
    classes=("car", "boat"),
    groups=(("rgb", 3), ("nir", 1)),
    optional=("rgb", "nir"),
    gsd_m=(0.5, 0.5),
    mean=(0.1, 0.1, 0.1, 0.1),
    deviation=(0.2, 0.2, 0.2, 0.2),
    least_score=0.5,
)


def blocks(image):
    """A row for each connected block of bright pixels of the first band that has any."""
    plane = max(image[0], key=lambda band: band.max())
    left, rows = plane > 0.5, []
    while left.any():
        row, col = np.argwhere(left)[0]
        bottom, right = row, col
        while bottom < len(left) and left[bottom, col]:
            bottom += 1
        while right < left.shape[1] and left[row, right]:
            right += 1
        left[row:bottom, col:right] = False
        rows.append(((col + right) / 2, (row + bottom) / 2, right - col, bottom - row, 0.9, 1.0, 0.0))
    return np.array(rows, dtype=np.float32).reshape(-1, 7)


@pytest.fixture
def fake(monkeypatch):
    """Predictions by `blocks`; the returned function sets what the detector says of itself."""
    current = {"spec": SPEC}
    monkeypatch.setattr(module, "load_network", lambda *_, **__: (blocks, current["spec"]))
    return lambda **values: current.update(spec=replace(SPEC, **values))


@pytest.fixture
def scene(tmp_path):
    return write_tiff(tmp_path / "scene.tif", squares(128, 160, BLOCKS, bands=4))


def test_a_scene_gives_four_files_and_a_row(fake, scene, tmp_path):
    seen = []
    result = predict(scene, tmp_path / "out", progress=lambda *pair: seen.append(pair))
    assert [path.name for path in result.files] == [
        "detections.geojson", "detections.coco.json", "detections.qml", "detections.png"
    ]  # fmt: skip
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(p.name for p in result.files)
    made = json.loads((tmp_path / "out" / "detections.geojson").read_text())
    corners = sorted(min(map(tuple, f["geometry"]["coordinates"][0])) for f in made["features"])
    assert corners == [(500_000 + 0.5 * x0, 4_000_000 - 0.5 * y1) for x0, _, _, y1 in BLOCKS]
    boxes = json.loads((tmp_path / "out" / "detections.coco.json").read_text())
    assert boxes["images"][0]["file_name"] == "scene.tif" and len(boxes["annotations"]) == 3
    picture = np.asarray(Image.open(tmp_path / "out" / "detections.png"))
    assert picture.shape[1] == 320 and picture.shape[0] > 128  # the two sensors beside one another
    row = result.row()
    assert (row["found"], row["car"], row["boat"], row["meters_a_pixel"]) == (3, 3, 0, 0.5)
    assert row["scene"] == "160 x 128, rgb + nir" and result.warnings == ()
    assert seen == [(1, 1)]


def test_no_picture_where_none_is_wanted(fake, scene, tmp_path):
    result = predict(scene, tmp_path / "out", with_picture=False)
    assert len(result.files) == 3 and not (tmp_path / "out" / "detections.png").exists()


def test_a_picture_without_a_place_is_taken_too(fake, tmp_path):
    Image.fromarray(squares(64, 64, [(10, 10, 20, 20)]).transpose(1, 2, 0)).save(tmp_path / "a.png")
    result = predict(tmp_path / "a.png", tmp_path / "out", crs=None)
    assert result.absent == ("nir",) and result.gsd_m is None and result.row()["without"] == "nir"
    made = json.loads((tmp_path / "out" / "detections.geojson").read_text())
    assert made["coordinates_are"].startswith("pixels")
    assert made["features"][0]["geometry"]["coordinates"][0][0] == [10, 10]


def test_degrees_on_request(fake, scene, tmp_path):
    predict(scene, tmp_path / "out", crs="EPSG:4326")
    made = json.loads((tmp_path / "out" / "detections.geojson").read_text())
    points = np.array([p for f in made["features"] for p in f["geometry"]["coordinates"][0]])
    assert ((points > [-117.01, 36]) & (points < [-116.99, 37])).all()


def test_tiles_and_one_piece_agree(fake, tmp_path):
    path = write_tiff(tmp_path / "a.tif", squares(200, 260, [(60, 60, 70, 70), (5, 5, 15, 12)], bands=4))
    tiled = predict(path, tmp_path / "out", finding=Finding(tile=64, overlap=32), with_picture=False)
    whole = predict(path, tmp_path / "out", finding=Finding(tile=0), with_picture=False)
    assert sorted(tiled.found.xyxy.tolist()) == sorted(whole.found.xyxy.tolist()) and len(whole.found) == 2


def test_sensors_that_lie_apart_are_told(fake, tmp_path):
    rng = np.random.default_rng(0)
    blocks = [(x, y, x + int(rng.integers(5, 12)), y + int(rng.integers(5, 12)))
              for x, y in rng.integers(10, 110, (25, 2))]  # fmt: skip
    one = squares(128, 128, blocks)
    fake(mean=())
    for move, said in ((5, True), (0, False)):
        other = squares(128, 128, [(a + move, b, c + move, d) for a, b, c, d in blocks], bands=1, seed=1)
        path = write_tiff(tmp_path / "a.tif", np.concatenate([one, other]))
        result = predict(path, tmp_path / "out", with_picture=False)
        assert (len(result.warnings) == 1) == said
        assert round(result.shift.right) == move
    assert "register" not in str(result.row())


def test_wrong_brightness_is_told(fake, scene, tmp_path):
    fake(mean=(0.1, 0.1, 0.1, 0.9), deviation=(0.2, 0.2, 0.2, 0.1))
    result = predict(scene, tmp_path / "out", with_picture=False)
    assert len(result.warnings) == 1 and result.warnings[0].startswith("nir has a mean of 0.0")
    assert result.row()["warning"] == result.warnings[0]


def test_another_type_needs_a_peak(fake, tmp_path):
    path = write_tiff(tmp_path / "a.tif", squares(64, 64, BLOCKS[:1], bands=4).astype(np.uint16) * 16)
    with pytest.raises(InputError, match="uint16") as caught:
        predict(path, tmp_path / "out")
    assert "--peak" in caught.value.hint
    result = predict(path, tmp_path / "out", peak=4080.0)
    assert len(result.found) == 1 and result.warnings == ()
    for peak in (0.0, -1.0, 70_000.0):
        with pytest.raises(InputError, match="peak"):
            predict(path, tmp_path / "out", peak=peak)


def test_pixels_of_another_size_are_refused_unless_insisted_on(fake, tmp_path):
    path = write_tiff(
        tmp_path / "a.tif", squares(64, 64, BLOCKS[:1], bands=4), transform=(2.0, 0, 0, 0, -2.0, 0)
    )
    with pytest.raises(InputError, match="2 m") as caught:
        predict(path, tmp_path / "out")
    assert "--any-gsd" in caught.value.hint and not (tmp_path / "out").exists()
    assert predict(path, tmp_path / "out", any_gsd=True, with_picture=False).gsd_m == 2.0
    assert predict(path, tmp_path / "out", scene_gsd_m=0.5, with_picture=False).gsd_m == 0.5


def test_bands_that_do_not_fit_are_refused_with_what_to_type(fake, scene, tmp_path):
    for groups, hint in (
        ([BandGroup("red", (1,))], "rgb (3), nir (1)"),
        ([BandGroup("rgb", (1, 2))], "3 are needed"),
        ([BandGroup("nir", (9,))], "from 1 to 4"),
        ([BandGroup("nir", (1,), second=True)], "that file too"),
    ):
        with pytest.raises(InputError) as caught:
            predict(scene, tmp_path / "out", bands=groups)
        assert hint in caught.value.hint
    fake(optional=())
    write_tiff(tmp_path / "gray.tif", squares(64, 64, [], bands=1))
    with pytest.raises(InputError) as caught:
        predict(tmp_path / "gray.tif", tmp_path / "out")
    assert "--bands" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_two_registered_files(fake, tmp_path):
    samples = squares(96, 96, BLOCKS[:1], bands=4)
    a, b = write_tiff(tmp_path / "a.tif", samples[:3]), write_tiff(tmp_path / "b.tif", samples[3:])
    groups = [BandGroup("rgb", (1, 2, 3)), BandGroup("nir", (1,), second=True)]
    result = predict(a, tmp_path / "out", second=b, bands=groups)
    assert result.groups == ("rgb", "nir") and len(result.found) == 1


def test_a_place_that_cannot_be_written_is_refused_before_the_work(fake, scene, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(module, "find", lambda *_: pytest.fail("it should not have looked"))
    with pytest.raises(InputError):
        predict(scene, tmp_path / "file")
    with pytest.raises(InputError):
        predict(tmp_path / "absent.tif", tmp_path / "out")


def test_nothing_half_written_is_left(fake, scene, tmp_path, monkeypatch):
    """The disk is full when the third file is put in its place."""
    real, count = os.replace, []

    def full(source, target):
        count.append(target)
        if len(count) == 3:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr("vedette.images.files.os.replace", full)
    with pytest.raises(VedetteError, match="No space left") as caught:
        predict(scene, tmp_path / "out")
    assert caught.value.hint
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["detections.coco.json", "detections.geojson"]
    for name in names:
        json.loads((tmp_path / "out" / name).read_text())


@pytest.mark.parametrize("oriented", [False, True])
def test_a_saved_detector_predicts(tmp_path, oriented):
    detector = tiny_detector(groups=(("rgb", 3), ("nir", 1)), oriented=oriented, least_score=0.6)
    save_detector(tmp_path / "mine.safetensors", detector)
    path = write_tiff(tmp_path / "a.tif", squares(100, 130, BLOCKS[:2], bands=4, dark=0.3))
    result = predict(path, tmp_path / "out", model=str(tmp_path / "mine.safetensors"))
    assert len(result.found) > 0 and (result.found.scores > 0.6).all()
    assert (result.found.cxcywht is not None) == oriented
    made = json.loads((tmp_path / "out" / "detections.coco.json").read_text())
    assert ("bbox_obb" in made["annotations"][0]) == oriented
    network, spec = load_network(str(tmp_path / "mine.safetensors"))
    assert spec == detector.spec and network(np.zeros((1, 4, 32, 32), np.float32)).shape[1] == 7 + oriented


def test_unknown_detectors_are_named():
    with pytest.raises(UnknownNameError):
        load_network("cars-of-nobody")
    with pytest.raises(InputError):
        load_network("absent.onnx")
