"""A part of a set wherever it lies: a COCO file, a converted folder, or a folder in a published format."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vedette.data.boxes import BoxSet, load_coco
from vedette.detect.formats import FORMATS, Options
from vedette.errors import InputError, UnknownNameError

# what lies in a folder of each format; the first that is there decides
SIGNS = {
    "vedai": (
        "annotations512",
        "annotations1024",
        "Annotations512",
        "Annotations1024",
        "annotation1024_all.csv",
    ),
    "yolo": ("data.yaml", "classes.txt"),
    "dota": ("labelTxt", "train/labelTxt", "labelTxt-v1.0"),
    "dronevehicle": ("train/trainlabelr", "val/vallabelr"),
    "visdrone": ("VisDrone2019-DET-train", "VisDrone2019-DET-val"),
    "hit-uav": ("normal_json", "rotate_json"),
}


def open_set(
    path: Path,
    part: str = "train",
    *,
    kind: str | None = None,
    only: Sequence[str] | None = None,
    options: Options | None = None,
) -> BoxSet:
    """The set at `path`.

    Args:
        path: a COCO JSON (then `part` says nothing), a folder with `train_coco.json` and its kin, or a
            folder in a format that `FORMATS` reads.
        kind: the format; None to see it by what lies in the folder.
        only: classes to keep, in this order.

    Raises:
        InputError: no set there, none of that part, or another kind of folder.
    """
    if path.is_file():
        return load_coco(path, only=only)
    if not path.is_dir():
        raise InputError(f"there is no {path}", hint="give a COCO file, or a folder")
    if kind is None and (path / f"{part}_coco.json").is_file():
        return load_coco(path / f"{part}_coco.json", only=only)
    kind = kind or next((k for k, signs in SIGNS.items() if any((path / s).exists() for s in signs)), None)
    if kind is None:
        raise InputError(
            f"{path} holds no {part}_coco.json and none of the formats {', '.join(FORMATS)}",
            hint="name its format with --format, or see `vedette detect convert --help`",
        )
    if kind not in FORMATS:
        raise UnknownNameError("format", kind, FORMATS)
    parts = FORMATS[kind](path, options or Options()).parts
    if part not in parts:
        raise InputError(f"{path} has no part {part!r}", hint=f"it has {', '.join(parts)}")
    return parts[part] if only is None else narrowed(parts[part], only)


def narrowed(boxes: BoxSet, only: Sequence[str]) -> BoxSet:
    """The set with the classes of `only` alone, in that order; regions to ignore stay.

    Raises:
        InputError: a class that the set has not.
    """
    missing = [name for name in only if name not in boxes.classes]
    if missing:
        raise InputError(
            f"no class {', '.join(map(repr, missing))}", hint=f"the set has {', '.join(boxes.classes)}"
        )
    number = np.array([only.index(name) if name in only else -1 for name in boxes.classes], dtype=np.int64)
    images = []
    for image in boxes.images:
        labels = np.where(image.labels >= 0, number[np.maximum(image.labels, 0)], -1)
        kept = (labels >= 0) | image.ignore
        turned = None if image.cxcywht is None else image.cxcywht[kept]
        images.append(
            replace(
                image,
                xyxy=image.xyxy[kept],
                labels=labels[kept],
                ignore=image.ignore[kept],
                cxcywht=turned,
            )
        )
    return BoxSet(classes=tuple(only), images=tuple(images))
