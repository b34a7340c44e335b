"""Detections as files, read back with what others would read them with."""

import json
import xml.etree.ElementTree as xml

import numpy as np
import pytest
from detect.scenes import InMemory, detections, write_tiff
from rasterio.warp import transform as warp

from vedette.data.boxes import from_coco
from vedette.detect.bands import BandGroup, Sensors
from vedette.detect.outputs import coco, colors, geojson, outlines, overview, picture, qgis_style
from vedette.errors import InputError
from vedette.images import Geo
from vedette.images.boxes import hull, turned_from_corners

CLASSES = ("car", 'boat & "ship"')
PLACE = Geo(crs="EPSG:32611", transform=(0.5, 0.0, 500_000.0, 0.0, -0.5, 4_000_000.0))
FOUND = detections([[10, 20, 14, 28], [100, 50, 130, 60]], scores=[0.75, 0.5], labels=[1, 0])


def rings(collection):
    return np.array([feature["geometry"]["coordinates"][0] for feature in collection["features"]])


def test_polygons_lie_where_the_scene_lies():
    made = geojson(FOUND, CLASSES, geo=PLACE, gsd_m=0.5)
    assert made["crs"]["properties"]["name"] == "urn:ogc:def:crs:EPSG::32611"
    left, top = 500_000 + 5, 4_000_000 - 10
    assert rings(made)[0].tolist() == [
        [left, top], [left + 2, top], [left + 2, top - 4], [left, top - 4], [left, top]
    ]  # fmt: skip
    assert made["features"][0]["properties"] == {
        "class": CLASSES[1], "score": 0.75, "column": 12.0, "row": 24.0, "width_m": 2.0, "height_m": 4.0
    }  # fmt: skip
    assert json.loads(json.dumps(made)) == made


def test_another_crs_by_the_users_choice():
    made = geojson(FOUND, CLASSES, geo=PLACE, gsd_m=0.5, crs="EPSG:4326")
    x, y = warp("EPSG:32611", "EPSG:4326", [500_005.0], [3_999_990.0])
    assert rings(made)[0, 0] == pytest.approx([x[0], y[0]], abs=1e-7)
    assert "crs" not in made and "coordinates_are" not in made  # as the standard has it
    lambert = geojson(FOUND, CLASSES, geo=PLACE, gsd_m=0.5, crs="EPSG:5070")
    assert lambert["crs"]["properties"]["name"].endswith("5070")
    assert geojson(detections([]), CLASSES, geo=PLACE, gsd_m=None, crs="EPSG:4326")["features"] == []


def test_without_a_place_coordinates_are_pixels_and_it_is_said():
    for geo in (None, Geo(), Geo(transform=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0), nodata=0.0)):
        made = geojson(FOUND, CLASSES, geo=geo, gsd_m=None)
        assert made["coordinates_are"] == "pixels, y downwards" and "crs" not in made
        assert rings(made)[0, 0].tolist() == [10, 20]
        assert "width_m" not in made["features"][0]["properties"]


def test_a_transform_without_a_crs_is_kept_but_said():
    """GeoJSON without a word would be taken for degrees."""
    geo = Geo(transform=PLACE.transform)
    made = geojson(FOUND, CLASSES, geo=geo, gsd_m=None)
    assert rings(made)[0, 0].tolist() == [500_005, 3_999_990]
    assert "no CRS" in made["coordinates_are"]
    with pytest.raises(InputError) as caught:
        geojson(FOUND, CLASSES, geo=geo, gsd_m=None, crs="EPSG:4326")
    assert "--crs" in caught.value.hint


def test_turned_boxes_and_turned_scenes(tmp_path):
    """Through a GeoTIFF that is turned on Earth, and back to pixels with its own inverse."""
    turned = np.array([[30.0, 20.0, 12.0, 4.0, 0.4], [50.0, 30.0, 6.0, 8.0, -1.0]])
    found = detections(hull(turned), cxcywht=turned)
    numbers = (0.4, 0.3, 500_000.0, 0.3, -0.4, 4_000_000.0)
    path = write_tiff(tmp_path / "a.tif", np.zeros((1, 40, 60), np.uint8), transform=numbers)
    with Sensors([path], (BandGroup("ir", (1,)),), (1,)) as sensors:
        made = geojson(found, CLASSES, geo=sensors.geo, gsd_m=0.5)
    a, b, c, d, e, f = numbers
    world = rings(made)[:, :4].reshape(-1, 2) - [c, f]
    pixels = (np.linalg.inv([[a, b], [d, e]]) @ world.T).T.reshape(-1, 4, 2)
    assert np.allclose(turned_from_corners(pixels), turned, atol=1e-4)
    sides = [[feature["properties"][k] for k in ("width_m", "height_m")] for feature in made["features"]]
    assert sides == [[6, 2], [3, 4]]


def test_coco_is_read_back_as_a_set(tmp_path):
    turned = np.array([[12.0, 24.0, 4.0, 8.0, 0.0], [115.0, 55.0, 30.0, 10.0, 0.5]])
    found = detections(FOUND.xyxy, FOUND.scores, FOUND.labels, turned)
    made = json.loads(json.dumps(coco(found, CLASSES, file_name="a.tif", height=200, width=300)))
    boxes = from_coco(made, tmp_path)
    assert boxes.classes == CLASSES and (boxes.images[0].width, boxes.images[0].height) == (300, 200)
    assert boxes.images[0].xyxy.tolist() == FOUND.xyxy.tolist()
    assert boxes.images[0].labels.tolist() == [1, 0] and np.allclose(boxes.images[0].cxcywht, turned)
    assert [a["score"] for a in made["annotations"]] == [0.75, 0.5]
    assert made["annotations"][1]["area"] == 300


def test_outlines_go_around():
    points = outlines(FOUND)
    x, y = points[..., 0], points[..., 1]
    areas = 0.5 * (x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(1)
    assert areas.tolist() == [32, 300]
    assert outlines(detections([])).shape == (0, 4, 2)


def test_the_style_is_xml_that_names_every_class():
    root = xml.fromstring(qgis_style(CLASSES).split("\n", 1)[1])
    categories = root.find("renderer-v2/categories")
    assert root.find("renderer-v2").attrib["attr"] == "class"
    assert [c.attrib["value"] for c in categories] == list(CLASSES)
    symbols = {symbol.attrib["name"] for symbol in root.find("renderer-v2/symbols")}
    assert {c.attrib["symbol"] for c in categories} == symbols


def test_classes_have_colors_of_their_own():
    made = colors(12)
    assert len(set(made)) == 12 and all(max(color) == 255 for color in made)


def test_an_overview_is_the_mean_of_its_pixels():
    rng = np.random.default_rng(0)
    samples = rng.integers(0, 256, (4, 90, 70), dtype=np.uint8)
    shown = overview(InMemory(samples, (3, 1)), side_most=30)  # every third pixel
    assert [bands.shape for _, bands in shown] == [(3, 30, 24), (1, 30, 24)]
    expected = samples[:3, 3:6, 6:9].mean(axis=(1, 2))
    assert np.abs(shown[0][1][:, 1, 2] - expected).max() <= 0.51
    expected = samples[3, :3, 69:].mean()  # what is left at the border
    assert abs(shown[1][1][0, 0, 23] - expected) <= 0.51


def test_an_overview_read_in_stripes_has_no_seams(monkeypatch):
    from vedette.detect import outputs

    samples = np.random.default_rng(1).integers(0, 256, (1, 100, 130), dtype=np.uint8)
    whole = overview(InMemory(samples), side_most=50)[0][1]
    monkeypatch.setattr(outputs, "STRIPE", 20)
    assert np.array_equal(overview(InMemory(samples), side_most=50)[0][1], whole)


def test_16_bits_are_stretched_8_bits_are_not():
    ramp = np.linspace(1000, 3000, 64 * 64).reshape(1, 64, 64)
    assert np.ptp(overview(InMemory(ramp.astype(np.uint16)))[0][1]) == 255
    assert np.ptp(overview(InMemory((ramp / 100).astype(np.uint8)))[0][1]) == 20
    flat = overview(InMemory(np.full((1, 8, 8), 500, np.uint16)))[0][1]
    assert flat.shape == (1, 8, 8)


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_picture_has_an_outline_around_each_object(bands, scale):
    shown = np.full((bands, 100, 160), 40, np.uint8)
    image = np.asarray(picture(shown, FOUND.moved(0, 0, 1 / scale), CLASSES, scale))
    palette = colors(2)
    for box, label in zip(FOUND.xyxy.astype(int), FOUND.labels, strict=True):
        left, top, right, bottom = box
        middle = (top + bottom) // 2
        assert (
            tuple(image[middle, left]) == palette[label] or tuple(image[middle, left - 1]) == palette[label]
        )
        assert tuple(image[top, (left + right) // 2]) == palette[label]
    assert tuple(image[90, 60]) == (40, 40, 40) and image.shape[0] > 100 and image.shape[1] == 160
    assert (image[100:] == palette[0]).all(axis=2).any() and (image[100:] == palette[1]).all(axis=2).any()


def test_the_smallest_object_can_be_seen_and_nothing_is_said():
    blank = np.zeros((3, 50, 50), np.uint8)
    tiny = np.asarray(picture(blank, detections([[20, 20, 20.5, 20.5]]), CLASSES, 1.0))
    rows, cols = np.nonzero((tiny[:50] == colors(2)[0]).all(axis=2))
    assert np.ptp(rows) >= 4 and np.ptp(cols) >= 4
    nothing = np.asarray(picture(blank, detections([]), CLASSES, 1.0))
    assert not nothing[:50, :50].any() and (nothing[50:] > 200).any()
