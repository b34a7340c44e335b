"""Pixels on Earth: what an affine transform and a CRS make of boxes; no torch."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from vedette.errors import InputError
from vedette.images import Geo, gdal

METERS_PER_DEGREE = 111_320.0  # along a meridian, within 0.6 %


def to_world(geo: Geo, xy: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Pixel positions (corner of the top left pixel: 0, 0) in the units of the CRS; rotations kept.

    >>> to_world(Geo(transform=(0.5, 0.0, 100.0, 0.0, -0.5, 200.0)), np.array([2.0, 4.0])).tolist()
    [101.0, 198.0]
    """
    a, b, c, d, e, f = geo.transform
    return xy @ np.array([[a, d], [b, e]]) + np.array([c, f])


def gsd_m(geo: Geo | None, height: int, width: int) -> float | None:
    """Meters a pixel at the scene's middle, the geometric mean of both axes; None where it is unknown.

    >>> gsd_m(Geo(crs="EPSG:32611", transform=(0.6, 0.0, 0.0, 0.0, -0.6, 0.0)), 10, 10)
    0.6
    """
    if geo is None or not geo.crs or not geo.transform:
        return None
    a, b, _, d, e, _ = geo.transform
    side = math.sqrt(abs(a * e - b * d))
    crs = gdal.rasterio().crs.CRS.from_user_input(geo.crs)
    if crs.is_geographic:
        latitude = float(to_world(geo, np.array([width / 2, height / 2]))[1])
        side *= METERS_PER_DEGREE * math.sqrt(max(math.cos(math.radians(latitude)), 1e-6))
    elif crs.is_projected:
        side *= float(crs.linear_units_factor[1])
    else:
        return None
    return round(side, 6)


def check_crs(crs: str) -> None:
    """Refuse what is no CRS.

    Raises:
        InputError: it is none.
    """
    module = gdal.rasterio()
    try:
        module.crs.CRS.from_user_input(crs)
    except module.errors.CRSError as error:
        raise InputError(f"no CRS {crs!r}", hint="write for example EPSG:4326") from error


def reproject(crs: str, target: str, rings: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rings of points of one CRS in another.

    Raises:
        InputError: a CRS that is none.
    """
    module = gdal.rasterio()
    import rasterio.warp

    try:
        source, wanted = (module.crs.CRS.from_user_input(text) for text in (crs, target))
    except module.errors.CRSError as error:
        raise InputError(f"no CRS {target!r}", hint="write for example EPSG:4326") from error
    if not rings:
        return []
    points = np.concatenate(rings)
    x, y = rasterio.warp.transform(source, wanted, points[:, 0].tolist(), points[:, 1].tolist())
    ends = np.cumsum([len(ring) for ring in rings])[:-1]
    return np.split(np.stack([x, y], axis=1), ends)


def geojson_crs(crs: str) -> dict[str, Any] | None:
    """The member that says which CRS coordinates are in; None for WGS 84, which GeoJSON takes for granted.

    >>> geojson_crs("EPSG:32611")["properties"]["name"]
    'urn:ogc:def:crs:EPSG::32611'
    """
    if not crs or crs == "EPSG:4326":
        return None
    name = f"urn:ogc:def:crs:EPSG::{crs[5:]}" if crs.startswith("EPSG:") else crs
    return {"type": "name", "properties": {"name": name}}
