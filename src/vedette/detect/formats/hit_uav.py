"""HIT-UAV: thermal images from drones, straight and oriented boxes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vedette.detect.formats import coco
from vedette.detect.formats.found import Found, Options, Photo, gather
from vedette.detect.formats.report import Report
from vedette.detect.formats.text import read_json
from vedette.errors import InputError
from vedette.images.boxes import hull

PARTS = ("train", "val", "test")
Parsed = dict[str, Any]


def read(source: Path, options: Options) -> Found:
    """HIT-UAV of `source`: `normal_json/` and `rotate_json/` as published, or COCO files of the parts.

    Straight boxes come from `normal_json`, oriented ones from `rotate_json`, by their ids; with
    `rotate_json` alone straight boxes are hulls. "DontCare" becomes a region to ignore.

    Raises:
        InputError: neither is there, or a file is damaged.
    """
    report = Report(kind="hit-uav")
    normal, rotated = (_parsed(source / name) for name in ("normal_json", "rotate_json"))
    if not normal and not rotated:
        return coco.read_files(coco.part_files(source), options, report)
    _to_left_top(normal, report)
    photos: list[Photo] = []
    classes: tuple[str, ...] | None = None
    for part, data in (normal or rotated).items():
        if part in rotated:
            _orient(data["annotations"], rotated[part]["annotations"])
        boxes = coco.boxes_of(data, f"{part}.json", report)
        if classes not in (None, boxes.classes):
            raise InputError(f"the classes of {part}.json differ from another part's", hint="copy it again")
        classes = boxes.classes
        places = [source / kind / inner for kind in ("normal_json", "rotate_json") for inner in (part, "")]
        photos += coco.photos_of(boxes, part, report, coco.finder([*places, source / "images"]))
    found = gather(photos, report, classes=classes, oriented=options.oriented)
    return Found(parts=found, report=report)


def _parsed(folder: Path) -> dict[str, Parsed]:
    """Each part's file with COCO's names of the fields; "filename" and "annotation" were published."""
    found = {}
    for part in PARTS:
        path = folder / "annotations" / f"{part}.json"
        if not path.exists():
            continue
        data = read_json(path)
        try:
            listed = data["annotation"] if "annotation" in data else data["annotations"]
            annotations = [_annotation(number, entry) for number, entry in enumerate(listed, start=1)]
            images = [{"file_name": image.get("filename"), **image} for image in data["images"]]
            found[part] = {
                "images": images,
                "annotations": annotations,
                "categories": list(data["categories"]),
            }
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{folder.name}/{path.name} is no file of HIT-UAV: {error} is missing or wrong",
                hint="copy the file again",
            ) from error
    return found


def _annotation(number: int, entry: Mapping[str, Any]) -> Parsed:
    box = [float(value) for value in entry["bbox"]]
    if len(box) not in (4, 5) or not np.isfinite(box).all():
        raise ValueError(f"the box {box}")
    return {
        "id": entry.get("id", number),
        "image_id": entry["image_id"],
        "category_id": entry["category_id"],
        "bbox": box,
    }


def _to_left_top(parts: Mapping[str, Parsed], report: Report) -> None:
    """Boxes as left, top, width, height.

    The set's page says that they start with the center, but known copies start with the left top corner. The
    reading that puts fewer boxes beyond their image is taken.
    """
    boxes, sizes = [], []
    for part, data in parts.items():
        try:
            of_image = {image["id"]: (int(image["width"]), int(image["height"])) for image in data["images"]}
            sizes += [of_image[annotation["image_id"]] for annotation in data["annotations"]]
            boxes += [annotation["bbox"][:4] for annotation in data["annotations"]]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{part}.json: the image {error} is missing", hint="copy it again") from error
    if not boxes:
        return
    box, size = np.array(boxes), np.array(sizes)
    start, side = box[:, :2], box[:, 2:]
    beyond_if_corner = int(((start < 0) | (start + side > size)).any(axis=1).sum())
    beyond_if_center = int(((start - side / 2 < 0) | (start + side / 2 > size)).any(axis=1).sum())
    centers = beyond_if_center < beyond_if_corner
    report.notes.append(f"boxes of normal_json start with the {'center' if centers else 'left top corner'}")
    for data in parts.values():
        for annotation in data["annotations"]:
            x, y, width, height = annotation["bbox"][:4]
            left_top = [x - width / 2, y - height / 2] if centers else [x, y]
            annotation["bbox"] = [*left_top, width, height]


def _orient(annotations: list[Parsed], rotated: list[Parsed]) -> None:
    """Give each annotation its oriented box: of the same id and class, its center inside the straight one."""
    turned = {entry["id"]: entry for entry in rotated if len(entry["bbox"]) == 5}
    for annotation in annotations:
        other = turned.get(annotation["id"])
        if other is None or other["category_id"] != annotation["category_id"]:
            continue
        if other is annotation:
            left, top, right, bottom = hull(np.array([other["bbox"]]))[0].tolist()
            annotation["bbox_obb"] = other["bbox"]
            annotation["bbox"] = [left, top, right - left, bottom - top]
            continue
        left, top, width, height = annotation["bbox"]
        cx, cy = other["bbox"][:2]
        if left <= cx <= left + width and top <= cy <= top + height:
            annotation["bbox_obb"] = other["bbox"]
