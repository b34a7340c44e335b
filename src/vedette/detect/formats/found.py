"""What a reader is told, what it draws from label files, and the sets that come of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from vedette.data.boxes import BoxImage, BoxSet
from vedette.detect.formats.report import Report
from vedette.errors import InputError
from vedette.images.boxes import turned_from_corners

HAIR = 0.01  # pixels; a side, or a shift, below it is none

Four = tuple[float, float, float, float]
Five = tuple[float, float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a reader can be told; each format heeds those that name it.

    Args:
        fold: VEDAI: 1 to 10 gives that fold's train and val; None one part, "all", with the fold as group.
        parity: VEDAI: classes and boxes as the published experiments had them: motorcycles among the vans,
            boxes around the annotated center, not clipped.
        side: VEDAI: 512 or 1024, which images to take where both are there.
        oriented: every format: keep oriented boxes where the set has them.
        difficult: DOTA: objects marked difficult become regions to ignore; else they are objects.
        labels: DroneVehicle: the camera whose labels are taken, "ir" or "rgb".
        border: DroneVehicle: pixels to cut off each side of the images; 0 for images that were cut before.
    """

    fold: int | None = None
    parity: bool = False
    side: int | None = None
    oriented: bool = True
    difficult: bool = True
    labels: str = "ir"
    border: int = 100

    def __post_init__(self) -> None:
        if self.fold is not None and not 1 <= self.fold <= 10:
            raise InputError(f"fold {self.fold} of VEDAI", hint="a number from 1 to 10 is needed")
        if self.side not in (None, 512, 1024):
            raise InputError(f"VEDAI images of side {self.side}", hint="there are 512 and 1024")
        if self.labels not in ("ir", "rgb"):
            raise InputError(f"labels of {self.labels!r}", hint="'ir' or 'rgb' is needed")
        if self.border < 0:
            raise InputError(f"a border of {self.border} pixels", hint="0 or more is needed")


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One annotation: xyxy in pixels, and cxcywht where the annotation is oriented."""

    name: str
    xyxy: Four
    turned: Five | None = None
    ignore: bool = False


@dataclass(frozen=True, kw_only=True)
class Photo:
    """One image, or a pair, and its annotations; `part` is "train", "val", "test" or "all"."""

    part: str
    path: Path
    width: int
    height: int
    drawn: Sequence[Drawn]
    path_ir: Path | None = None
    gsd_m: float | None = None
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a reader found: the set of each part, the report, and pixels to cut off each image's sides."""

    parts: dict[str, BoxSet]
    report: Report
    cut: int = 0


def straight(name: str, xyxy: Sequence[float], *, ignore: bool = False) -> Drawn:
    """An annotation without a direction."""
    left, top, right, bottom = (float(value) for value in xyxy)
    return Drawn(name=name, xyxy=(left, top, right, bottom), ignore=ignore)


def quad(name: str, points: Float[np.ndarray, "4 2"], *, ignore: bool = False) -> Drawn:
    """An annotation by four corners: its hull, and the oriented box.

    Corners whose order makes sides cross are put in order around their middle first.

    >>> quad("car", np.array([[0.0, 1.0], [4.0, 1.0], [0.0, 3.0], [4.0, 3.0]])).turned
    (2.0, 2.0, 4.0, 2.0, 0.0)
    """
    sides = np.roll(points, -1, axis=0) - points
    after = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0]
    if (turns > 0).any() and (turns < 0).any():
        apart = points - points.mean(axis=0)
        points = points[np.argsort(np.arctan2(apart[:, 1], apart[:, 0]), kind="stable")]
    cx, cy, width, height, angle = turned_from_corners(points[None])[0].tolist()
    left, top = points.min(axis=0).tolist()
    right, bottom = points.max(axis=0).tolist()
    return Drawn(
        name=name, xyxy=(left, top, right, bottom), turned=(cx, cy, width, height, angle), ignore=ignore
    )


def gather(
    photos: Sequence[Photo],
    report: Report,
    *,
    classes: Sequence[str] | None = None,
    oriented: bool = True,
    clip: bool = True,
) -> dict[str, BoxSet]:
    """The set of each part, counted in `report`.

    Args:
        classes: in the order of their numbers; None for those that occur, sorted. An annotation to ignore
            may have another name.
        oriented: keep oriented boxes, if every annotation is one.
        clip: cut boxes at the edge of their image.

    Raises:
        InputError: there are no images.
    """
    if not photos:
        missing = [*report.without_labels[:1], *report.without_image[:1]]
        raise InputError(
            "no image with labels was found" + (f", only {' and '.join(missing)}" if missing else ""),
            hint="check that images and labels lie where the format puts them and share their names",
        )
    drawn = [annotation for photo in photos for annotation in photo.drawn]
    names = tuple(classes) if classes is not None else tuple(sorted({one.name for one in drawn}))
    index = {name: number for number, name in enumerate(names)}
    turned = sum(one.turned is not None for one in drawn)
    if oriented and 0 < turned < len(drawn):
        report.notes.append(f"{len(drawn) - turned:,} boxes have no direction: the set is not oriented")
    keep_turned = oriented and 0 < turned == len(drawn)
    images: dict[str, list[BoxImage]] = {}
    for photo in photos:
        images.setdefault(photo.part, []).append(_boxed(photo, report, index, keep_turned, clip))
        report.images[photo.part] += 1
    return {part: BoxSet(classes=names, images=tuple(of_part)) for part, of_part in images.items()}


def _boxed(photo: Photo, report: Report, index: dict[str, int], oriented: bool, clip: bool) -> BoxImage:
    kept: list[tuple[Four, Drawn]] = []
    for one in photo.drawn:
        xyxy = _inside(one.xyxy, photo.width, photo.height) if clip else one.xyxy
        sides = (xyxy[2] - xyxy[0], xyxy[3] - xyxy[1], *(one.turned[2:4] if one.turned else ()))
        if min(sides) < HAIR:
            report.no_area[one.name] += 1
            continue
        report.clipped += any(abs(a - b) > HAIR for a, b in zip(xyxy, one.xyxy, strict=True))
        report.count(photo.part, one.name, ignore=one.ignore)
        kept.append((xyxy, one))
    return BoxImage(
        path=photo.path,
        path_ir=photo.path_ir,
        width=photo.width,
        height=photo.height,
        xyxy=np.array([xyxy for xyxy, _ in kept], dtype=np.float64).reshape(-1, 4),
        labels=np.array([index.get(one.name, -1) for _, one in kept], dtype=np.int64),
        ignore=np.array([one.ignore for _, one in kept], dtype=bool),
        cxcywht=np.array([one.turned for _, one in kept], dtype=np.float64).reshape(-1, 5)
        if oriented
        else None,
        gsd_m=photo.gsd_m,
        group=photo.group,
    )


def _inside(xyxy: Four, width: int, height: int) -> Four:
    left, top, right, bottom = xyxy
    return max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
