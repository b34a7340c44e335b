"""Images with boxes: what converters make and detectors learn from; read from and written to COCO files."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64

from vedette.errors import InputError
from vedette.images import write_atomically


@dataclass(frozen=True, kw_only=True)
class BoxImage:
    """One image, or a registered pair, and what is in it.

    Args:
        path: of the image; of the RGB one of a pair.
        path_ir: of the infrared one of a pair.
        xyxy: left, top, right, bottom of every object, pixels, half-open, origin top left.
        labels: numbers of their classes.
        ignore: regions that are neither object nor background: crowds, "don't care".
        cxcywht: the same objects as oriented boxes: center, width, height in pixels, and the angle from the
            x axis to the width, radians, clockwise on the screen; None where the set has none.
        gsd_m: meters a pixel, None where unknown.
        group: images that belong together, such as frames of a sequence or a fold; "" for none.
    """

    path: Path
    width: int
    height: int
    xyxy: Float[np.ndarray, "n 4"]
    labels: Int64[np.ndarray, " n"]
    ignore: Bool[np.ndarray, " n"]
    cxcywht: Float[np.ndarray, "n 5"] | None = None
    path_ir: Path | None = None
    gsd_m: float | None = None
    group: str = ""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files the image lies in."""
        return (self.path,) if self.path_ir is None else (self.path, self.path_ir)


@dataclass(frozen=True, kw_only=True)
class BoxSet:
    """Images and the names of the classes that their labels count."""

    classes: tuple[str, ...]
    images: tuple[BoxImage, ...] = field(default=())

    @property
    def oriented(self) -> bool:
        """Whether every image has oriented boxes."""
        return bool(self.images) and all(image.cxcywht is not None for image in self.images)

    @property
    def objects(self) -> int:
        """Boxes that are not to be ignored."""
        return sum(int((~image.ignore).sum()) for image in self.images)


def load_coco(
    path: Path, *, ignore: Sequence[str] = ("DontCare",), only: Sequence[str] | None = None
) -> BoxSet:
    """The set that a COCO file describes.

    Beyond COCO's own fields these are read: of an image `file_name_ir`, `gsd_m` (or the pixel size of an
    affine `transform`) and `group`; of an annotation `bbox_obb`: [cx, cy, w, h, theta].

    Args:
        path: of the JSON; file names are relative to its folder.
        ignore: classes whose boxes become regions to ignore.
        only: classes to keep, in this order; None for all that the file has.

    Raises:
        InputError: no such file, another kind of file, or a box that is none.
    """
    return from_coco(_json(path), path.parent, path.name, ignore=ignore, only=only)


def from_coco(
    data: Mapping[str, Any],
    folder: Path,
    name: str = "the data",
    *,
    ignore: Sequence[str] = ("DontCare",),
    only: Sequence[str] | None = None,
) -> BoxSet:
    """The set of a COCO file that was read already: see `load_coco`.

    Args:
        folder: that file names are relative to.
        name: of the file, for messages.
    """
    try:
        names = {int(c["id"]): str(c["name"]) for c in data["categories"]}
        wanted = [kind for kind in names.values() if kind not in ignore] if only is None else list(only)
        missing = [kind for kind in wanted if kind not in names.values()]
        if missing:
            raise InputError(
                f"{name} has no class {', '.join(map(repr, missing))}",
                hint=f"it has {', '.join(sorted(names.values()))}",
            )
        index = {number: wanted.index(kind) for number, kind in names.items() if kind in wanted}
        of_image: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in data["images"]}
        for annotation in data["annotations"]:
            kind = names[int(annotation["category_id"])]
            if kind in wanted or kind in ignore or annotation.get("iscrowd"):
                of_image[annotation["image_id"]].append(annotation)
        images = tuple(_image(folder, image, of_image[image["id"]], index) for image in data["images"])
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{name} is no COCO file: {error} is missing or of another kind",
            hint="images, annotations and categories are needed",
        ) from error
    return BoxSet(classes=tuple(wanted), images=images)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", hint="check the path") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is not JSON: {error}", hint="give a COCO file") from error
    if not isinstance(data, dict):
        raise InputError(f"{path.name} is no COCO file", hint="images, annotations and categories are needed")
    return data


def _image(
    folder: Path, image: Mapping[str, Any], found: Sequence[Mapping[str, Any]], index: Mapping[int, int]
) -> BoxImage:
    xywh = np.array([a["bbox"] for a in found], dtype=np.float64).reshape(len(found), 4)
    if not np.isfinite(xywh).all() or (xywh[:, 2:] <= 0).any():
        raise InputError(
            f"a box of {image['file_name']} has no area", hint="convert the set again, or take it out"
        )
    oriented = [a.get("bbox_obb") for a in found]
    turned = np.array(oriented, dtype=np.float64).reshape(len(found), 5) if all(oriented) else None
    second = image.get("file_name_ir")
    return BoxImage(
        path=folder / image["file_name"],
        path_ir=folder / second if second else None,
        width=int(image["width"]),
        height=int(image["height"]),
        xyxy=np.concatenate([xywh[:, :2], xywh[:, :2] + xywh[:, 2:]], axis=1),
        labels=np.array([index.get(int(a["category_id"]), -1) for a in found], dtype=np.int64),
        ignore=np.array(
            [bool(a.get("iscrowd")) or int(a["category_id"]) not in index for a in found], dtype=bool
        ),
        cxcywht=turned,
        gsd_m=_gsd(image),
        group=str(image.get("group", "")),
    )


def _gsd(image: Mapping[str, Any]) -> float | None:
    if image.get("gsd_m"):
        return float(image["gsd_m"])
    transform = image.get("transform")
    return math.hypot(float(transform[0]), float(transform[3])) if transform else None


def to_coco(boxes: BoxSet, folder: Path, description: str = "") -> dict[str, Any]:
    """The set as COCO; file names relative to `folder`. Regions to ignore become crowds."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, image in enumerate(boxes.images):
        entry: dict[str, Any] = {
            "id": number,
            "file_name": _relative(image.path, folder),
            "width": image.width,
            "height": image.height,
        }
        if image.path_ir is not None:
            entry["file_name_ir"] = _relative(image.path_ir, folder)
        if image.gsd_m is not None:
            entry["gsd_m"] = image.gsd_m
        if image.group:
            entry["group"] = image.group
        images.append(entry)
        for row in range(len(image.xyxy)):
            left, top, right, bottom = (round(float(v), 3) for v in image.xyxy[row])
            box: dict[str, Any] = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": max(0, int(image.labels[row])),
                "bbox": [left, top, round(right - left, 3), round(bottom - top, 3)],
                "area": round((right - left) * (bottom - top), 3),
                "iscrowd": int(image.ignore[row]),
            }
            if image.cxcywht is not None:
                box["bbox_obb"] = [round(float(v), 4) for v in image.cxcywht[row]]
            annotations.append(box)
    return {
        "info": {"description": description},
        "categories": [{"id": number, "name": name} for number, name in enumerate(boxes.classes)],
        "images": images,
        "annotations": annotations,
    }


def save_coco(boxes: BoxSet, path: Path, description: str = "") -> None:
    """Write the set as COCO to `path`, whole or not at all."""
    write_atomically(path, json.dumps(to_coco(boxes, path.parent, description)).encode())


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
