"""Pixels on Earth, against rasterio and against distances known by heart."""

import math

import numpy as np
import pytest
import rasterio.transform
from rasterio.warp import transform as warp

from vedette.detect.place import geojson_crs, gsd_m, reproject, to_world
from vedette.errors import InputError
from vedette.images import Geo

COS, SIN = math.cos(math.radians(30)), math.sin(math.radians(30))
TURNED = (0.5 * COS, 0.5 * SIN, 500_000.0, 0.5 * SIN, -0.5 * COS, 4_000_000.0)


def test_pixels_are_placed_as_rasterio_places_them():
    points = np.random.default_rng(0).uniform(-5, 500, (7, 4, 2))
    for numbers in (TURNED, (0.3, 0.02, 5.0, -0.1, -0.7, 9.0)):
        world = to_world(Geo(transform=numbers), points)
        x, y = points[..., 0].ravel(), points[..., 1].ravel()
        xs, ys = rasterio.transform.xy(rasterio.Affine(*numbers), y, x, offset="ul")
        assert np.allclose(world.reshape(-1, 2), np.stack([xs, ys], 1))
    assert to_world(Geo(transform=TURNED), np.array([2.0, 0.0])).tolist() == pytest.approx(
        [500_000 + COS, 4_000_000 + SIN]
    )


def test_pixel_sizes_of_projected_scenes():
    assert gsd_m(Geo(crs="EPSG:32611", transform=TURNED), 10, 10) == pytest.approx(0.5)
    feet = Geo(crs="EPSG:2263", transform=(2.0, 0, 0, 0, -2.0, 0))  # New York, US survey feet
    assert gsd_m(feet, 10, 10) == pytest.approx(2 * 1200 / 3937, rel=1e-5)
    uneven = Geo(crs="EPSG:32611", transform=(0.4, 0, 0, 0, -0.9, 0))
    assert gsd_m(uneven, 10, 10) == pytest.approx(0.6)


@pytest.mark.parametrize("latitude", [0.0, 47.0, -60.0])
def test_pixel_sizes_of_geographic_scenes_are_those_measured_in_utm(latitude):
    degree = 1e-5
    geo = Geo(crs="EPSG:4326", transform=(degree, 0, 9.0, 0, -degree, latitude))
    zone = "EPSG:32632" if latitude >= 0 else "EPSG:32732"  # its meridian is 9 degrees east
    x, y = warp("EPSG:4326", zone, [9.0, 9.0 + degree, 9.0], [latitude, latitude, latitude + degree])
    measured = math.sqrt((x[1] - x[0]) * (y[2] - y[0])) / 0.9996
    assert gsd_m(geo, 10, 10) == pytest.approx(measured, rel=0.01)


def test_without_a_place_there_is_no_pixel_size():
    for geo in (None, Geo(), Geo(crs="EPSG:32611"), Geo(transform=(1.0, 0, 0, 0, -1.0, 0))):
        assert gsd_m(geo, 10, 10) is None


def test_rings_in_another_crs_come_back_as_they_were():
    rings = [np.array([[500_000.0, 4_000_000.0], [500_010.0, 4_000_000.0], [500_010.0, 4_000_020.0]]),
             np.array([[499_000.0, 4_100_000.0]])]  # fmt: skip
    degrees = reproject("EPSG:32611", "EPSG:4326", rings)
    assert [len(ring) for ring in degrees] == [3, 1]
    assert degrees[0][0, 0] == pytest.approx(-117) and 36 < degrees[0][0, 1] < 37  # longitude first
    back = reproject("EPSG:4326", "EPSG:32611", degrees)
    for one, two in zip(rings, back, strict=True):
        assert np.allclose(one, two, atol=1e-4)
    assert reproject("EPSG:32611", "EPSG:4326", []) == []


def test_a_crs_that_is_none_is_refused():
    with pytest.raises(InputError, match="EPSG:99999999") as caught:
        reproject("EPSG:32611", "EPSG:99999999", [np.zeros((1, 2))])
    assert "EPSG:4326" in caught.value.hint


def test_wgs84_needs_no_member():
    assert geojson_crs("EPSG:4326") is None and geojson_crs("") is None
    assert geojson_crs("EPSG:2056") == {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2056"}}
