"""Detections as files: GeoJSON in the scene's CRS, COCO JSON, a style for QGIS, a picture; no torch."""

import colorsys
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from vedette.detect.bands import Sensors
from vedette.detect.detections import Detections
from vedette.detect.place import geojson_crs, reproject, to_world
from vedette.errors import InputError
from vedette.images import Geo, windows
from vedette.images.boxes import corners

PICTURE_MOST = 2048  # pixels of the longer side
BACKGROUND, INK = (24, 24, 28), (235, 235, 235)
STRIPE = 1024  # pixels of the scene read at once for the picture, each way
UNPLACED = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
OUTLINE_LEAST = 5  # pixels of a drawn box: a smaller one would not be seen


def outlines(found: Detections) -> np.ndarray:
    """(n, 4, 2): corners of every box, pixels of the scene, in order around it."""
    if found.cxcywht is not None:
        return corners(found.cxcywht)
    left, top, right, bottom = found.xyxy.T
    return np.stack([np.stack([left, top], 1), np.stack([right, top], 1), np.stack([right, bottom], 1),
                     np.stack([left, bottom], 1)], axis=1)  # fmt: skip


def geojson(
    found: Detections,
    classes: Sequence[str],
    *,
    geo: Geo | None,
    gsd_m: float | None,
    crs: str | None = None,
) -> dict[str, Any]:
    """A feature collection, a polygon for each detection, with class, score, and sides in meters if known.

    Where the scene has no place on Earth coordinates are pixels, y downwards, and a member says so.

    Args:
        crs: another CRS than the scene's, e.g. "EPSG:4326".
    """
    rings = outlines(found)
    # a file that only has a no-data value has the transform that changes nothing
    placed = geo is not None and bool(geo.transform) and (bool(geo.crs) or geo.transform != UNPLACED)
    if placed and geo is not None:
        rings = to_world(geo, rings)
        if crs and not geo.crs:
            raise InputError("the scene names no CRS", hint=f"it cannot be brought to {crs}; leave --crs out")
        if crs and crs != geo.crs:
            rings = np.array(reproject(geo.crs, crs, list(rings))).reshape(-1, 4, 2)
    around = outlines(found)
    sides = np.linalg.norm(around[:, 1:3] - around[:, 0:2], axis=2)
    features = []
    for ring, side, box, score, label in zip(
        rings.tolist(), sides, found.xyxy, found.scores.tolist(), found.labels.tolist(), strict=True
    ):
        center = ((box[:2] + box[2:]) / 2).round(2).tolist()
        properties: dict[str, Any] = {
            "class": classes[label],
            "score": round(score, 4),
            "column": center[0],
            "row": center[1],
        }
        if gsd_m is not None:
            properties |= {
                "width_m": round(float(side[0]) * gsd_m, 2),
                "height_m": round(float(side[1]) * gsd_m, 2),
            }
        ring = [[round(x, 7), round(y, 7)] for x, y in [*ring, ring[0]]]
        features.append(
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": properties,
            }
        )
    collection: dict[str, Any] = {"type": "FeatureCollection", "name": "detections"}
    if placed and geo is not None:
        member = geojson_crs(crs or geo.crs)
        if member is not None:
            collection["crs"] = member
        elif not geo.crs:
            collection["coordinates_are"] = "as the file's transform makes them; it names no CRS"
    else:
        collection["coordinates_are"] = "pixels, y downwards"
    return collection | {"features": features}


def coco(
    found: Detections, classes: Sequence[str], *, file_name: str, height: int, width: int
) -> dict[str, Any]:
    """The detections as a COCO file of one image; scores are in the annotations."""
    annotations = []
    for number, (box, score, label) in enumerate(
        zip(found.xyxy.tolist(), found.scores.tolist(), found.labels.tolist(), strict=True)
    ):
        xywh = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
        entry: dict[str, Any] = {
            "id": number + 1,
            "image_id": 0,
            "category_id": label,
            "bbox": [round(v, 2) for v in xywh],
            "area": round(xywh[2] * xywh[3], 2),
            "iscrowd": 0,
            "score": round(score, 4),
        }
        if found.cxcywht is not None:
            entry["bbox_obb"] = [round(float(v), 4) for v in found.cxcywht[number]]
        annotations.append(entry)
    return {
        "images": [{"id": 0, "file_name": file_name, "width": width, "height": height}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(classes)],
        "annotations": annotations,
    }


def colors(count: int) -> list[tuple[int, int, int]]:
    """So many bright colors, hues evenly apart.

    >>> colors(2)
    [(255, 89, 64), (64, 230, 255)]
    """
    shades = [colorsys.hsv_to_rgb((0.022 + number / count) % 1, 0.75, 1.0) for number in range(count)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in shades]


def qgis_style(classes: Sequence[str]) -> str:
    """A style file that QGIS finds beside the GeoJSON: outlines in a color for each class."""
    categories, symbols = [], []
    for number, (name, color) in enumerate(zip(classes, colors(len(classes)), strict=True)):
        value = quoteattr(name)
        categories.append(f'<category symbol="{number}" value={value} label={value} render="true"/>')
        rgba = ",".join(map(str, (*color, 255)))
        symbols.append(
            f'<symbol type="fill" name="{number}" alpha="1"><layer class="SimpleLine" enabled="1">'
            f'<Option type="Map"><Option name="line_color" value="{rgba}" type="QString"/>'
            f'<Option name="line_width" value="0.5" type="QString"/></Option></layer></symbol>'
        )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
        '<qgis version="3.28" styleCategories="Symbology"><renderer-v2 type="categorizedSymbol" '
        f'attr="class" enableorderby="0"><categories>{"".join(categories)}</categories>'
        f"<symbols>{''.join(symbols)}</symbols></renderer-v2></qgis>\n"
    )


def overview(sensors: Sensors, side_most: int = PICTURE_MOST) -> list[tuple[str, UInt8[np.ndarray, "c h w"]]]:
    """Each group that is there as a picture of 1 or 3 bands, its longer side at most `side_most` pixels.

    Values are stretched from the 1st to the 99th percentile of the picture where samples have 16 bits.
    """
    factor = max(1, -(-max(sensors.height, sensors.width) // side_most))
    height, width = -(-sensors.height // factor), -(-sensors.width // factor)
    small = np.zeros((sensors.planes, height, width), dtype=np.float32)
    for window in windows(sensors.height, sensors.width, max(1, STRIPE // factor) * factor):
        samples = sensors.read(window).astype(np.float32)
        down, right = -samples.shape[1] % factor, -samples.shape[2] % factor
        samples = np.pad(samples, ((0, 0), (0, down), (0, right)), mode="edge")
        c, h, w = samples.shape
        means = samples.reshape(c, h // factor, factor, w // factor, factor).mean(axis=(2, 4))
        row, col = window.row // factor, window.col // factor
        small[:, row : row + means.shape[1], col : col + means.shape[2]] = means
    shown, first = [], 0
    for group, count in zip(sensors.groups, sensors.counts, strict=True):
        if group.bands:
            bands = small[first : first + (3 if count >= 3 else 1)]
            low, high = (0.0, 255.0) if sensors.dtype is np.uint8 else np.percentile(bands, (1, 99)).tolist()
            stretched = (bands - low) / max(high - low, 1e-9) * 255
            shown.append((group.name, np.clip(np.rint(stretched), 0, 255).astype(np.uint8)))
        first += count
    return shown


def picture(
    shown: UInt8[np.ndarray, "c h w"], found: Detections, classes: Sequence[str], scale: float
) -> Image.Image:
    """The image with the outline of every detection and a legend below.

    Args:
        scale: pixels of the picture for one of the scene.
    """
    image = Image.fromarray(np.broadcast_to(shown, (3, *shown.shape[1:])).transpose(1, 2, 0).copy())
    palette = colors(len(classes))
    names = [
        (palette[number], f"{name} {int((found.labels == number).sum())}")
        for number, name in enumerate(classes)
        if (found.labels == number).any()
    ]
    line = 18
    canvas = Image.new("RGB", (max(image.width, 160), image.height + line * max(1, len(names))), BACKGROUND)
    canvas.paste(image, (0, 0))
    draw = ImageDraw.Draw(canvas)
    for ring, label in zip(outlines(found) * scale, found.labels.tolist(), strict=True):
        center = ring.mean(axis=0)
        reach = np.abs(ring - center).max() * 2
        if reach < OUTLINE_LEAST:
            ring = center + (ring - center) * (OUTLINE_LEAST / max(reach, 1e-6))
        points = [(float(x), float(y)) for x, y in ring]
        draw.line([*points, points[0]], fill=palette[label], width=1 if scale < 1 else 2)
    for number, (color, text) in enumerate(names):
        top = image.height + number * line
        draw.rectangle((6, top + 4, 16, top + 14), outline=color, width=2)
        draw.text((24, top + 3), text, fill=INK)
    if not names:
        draw.text((6, image.height + 3), "nothing found", fill=INK)
    return canvas
